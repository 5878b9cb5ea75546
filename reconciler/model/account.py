"""The account that pays for run calls, as the API shows it."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Account:
    """A token's organization and its credits at one moment. Source: `GET /v1/user` [D], `GET /v1/billing` [V]."""

    organization_id: str = ""
    organization_name: str = ""
    organization_slug: str = ""
    available: Decimal | None = None
    """Credits; None if the API does not say, or if they are unlimited."""
    is_unlimited: bool = False
    needs_plan: bool = False
    """True if the API refuses run calls until the organization has a paid plan (402 `plan_required`) [V]."""
    source: str = ""
    """The endpoint that `available` is from: `user` or `billing`; empty if it is unknown."""
    why_unknown: str = ""
    """Why the balance is unknown, safe to print; empty if it is known."""

    def is_of(self, organization: str) -> bool:
        """Return True if `organization` is this account's id, in either case, or slug."""
        is_id = organization.lower() == self.organization_id.lower()
        return organization != "" and (is_id or organization == self.organization_slug)

    def after(self, credits_: Decimal | None) -> Decimal | None:
        """Return the credits left after spending some; None if either is unknown, or if they are unlimited."""
        return None if self.available is None or credits_ is None else self.available - credits_
