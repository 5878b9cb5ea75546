"""Reading the account: `GET /v1/user`, and `GET /v1/billing` for what only that says."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import msgspec

from reconciler.client.http.lenient_json import check_utf8
from reconciler.errors import ApiError, BadResponse
from reconciler.model.account import Account
from reconciler.text.sanitize import one_line

USER, BILLING = "/v1/user", "/v1/billing"
_WITHOUT_PLAN = ("pro", "legacy")
"""Tiers that may run tables although a subscription is required [V]."""


@dataclass(frozen=True, slots=True)
class AccountRequest:
    """One GET of a small JSON object."""

    path: str

    @property
    def query(self) -> Mapping[str, int]:
        """Return no parameters."""
        return {}

    @property
    def is_large(self) -> bool:
        """Return False: the answer is small."""
        return False

    def decode(self, body: memoryview) -> dict[str, Any]:
        """Return the object. Raises BadResponse."""
        try:
            check_utf8(bytes(body))
            found = msgspec.json.decode(body)
        except (msgspec.MsgspecError, BadResponse, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise BadResponse(f"GET {self.path}: the answer is not a JSON object")
        return found


@dataclass(slots=True)
class AccountRead:
    """The reading of an account: one GET, or two if the first does not say all."""

    outcome: Account | None = None
    _user: dict[str, Any] | ApiError | None = None
    _asked: int = 0

    @property
    def is_done(self) -> bool:
        """True once there is an outcome."""
        return self.outcome is not None

    def result(self) -> Account:
        """Return the outcome of a reading that is done."""
        assert self.outcome is not None
        return self.outcome

    def next_request(self, *, large: bool = True) -> AccountRequest | None:
        """Return the next GET; the second only if it is needed."""
        if self._asked == 0 or (self._asked == 1 and self._user is not None and self.outcome is None):
            self._asked += 1
            return AccountRequest((USER, BILLING)[self._asked - 1])
        return None

    def take(self, request: AccountRequest | None, answer: dict[str, Any] | ApiError) -> None:
        """Take an answer."""
        if request is None or request.path == USER:
            self._user = answer
            if isinstance(answer, dict):
                found = _of_user(answer)
                if found.source and answer.get("organization_is_active") is True:
                    self.outcome = found
            elif request is None:
                self.outcome = _unknown(answer)
            return
        assert self._user is not None
        first = _of_user(self._user) if isinstance(self._user, dict) else _unknown(self._user)
        self.outcome = first if isinstance(answer, ApiError) else _with_billing(first, answer)


def _of_user(user: dict[str, Any]) -> Account:
    unlimited = user.get("has_unlimited_credits") is True
    available = None if unlimited else _credits(user.get("available_credits"))
    return Account(
        _text(user.get("organization_id")),
        _text(user.get("organization_name")),
        _text(user.get("organization_slug")),
        available,
        unlimited,
        source="user" if unlimited or available is not None else "",
        why_unknown="" if unlimited or available is not None else "GET /v1/user does not give the available credits",
    )


def _with_billing(first: Account, billing: dict[str, Any]) -> Account:
    """Add what `GET /v1/billing` says: whether a plan is needed, and the credits if they are still unknown."""
    user, plan = (_object(billing.get(key)) for key in ("user", "subscription"))
    is_active = user.get("organization_is_active") is True
    needs_plan = plan.get("requires_subscription") is True and plan.get("plan_tier") not in _WITHOUT_PLAN
    found = replace(
        first,
        organization_id=first.organization_id or _text(user.get("organization_id")),
        needs_plan=needs_plan and not is_active,
    )
    if found.source:
        return found
    # Where in the body the credits are is not documented [V].
    stated = [_credits(each.get("available_credits")) for each in (billing, user, plan)]
    available = next((each for each in stated if each is not None), None)
    return found if available is None else replace(found, available=available, source="billing", why_unknown="")


def _unknown(error: ApiError) -> Account:
    return Account(why_unknown=error.message)


def _credits(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Decimal(repr(value))


def _text(value: object) -> str:
    return one_line(value, 200) if isinstance(value, str) else ""


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
