"""The token, its organization and balance, the API itself, and how far its clock and the ledger's are from ours."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.client import ApiOptions, NoToken, Token
from reconciler.client.probe import Probed, probe
from reconciler.errors import SettingsError
from reconciler.model.account import Account
from reconciler.model.checkup import Check, Finding
from reconciler.model.limits import Limits
from reconciler.operations.connection import api_options
from reconciler.settings.network import api_network
from reconciler.settings.settings import Settings, check_recipient, read_token
from reconciler.text.numbers import amount, duration
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line

SLOW_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 10.0
"""For one answer, where the project's own timeout is longer."""
NOTABLE_SKEW_SECONDS = 5.0
MOST_SKEW_SECONDS = 60.0
"""From here on a saved plan of another machine is refused: it seems to come from the future."""
_NOT_LET_IN = (401, 403)
_ODD_ANSWER_HINT = (
    "Check the API's base URL, and whether something on the way answers in its place; if both are right, try again "
    "later."
)


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks that were compared with this machine's."""

    now: Callable[[], float]
    """This machine's, in seconds since the epoch."""
    ahead: dict[str, float] = field(default_factory=dict)
    """Whose clock → by how many seconds it is ahead of this machine's."""

    def checks(self) -> list[Check]:
        """Return the results; none if no other clock was seen."""
        found = []
        for whose, seconds in self.ahead.items():
            if abs(seconds) >= NOTABLE_SKEW_SECONDS:
                side = "behind" if seconds > 0 else "ahead of"
                message = f"this machine's clock is {duration(abs(seconds))} {side} {whose}"
                hint = (
                    "Synchronise it (NTP): beyond a minute, plans saved here or elsewhere are refused as too old "
                    "or from the future."
                )
                finding = Finding.WRONG if abs(seconds) > MOST_SKEW_SECONDS else Finding.NOTE
                found.append(Check("clocks", finding, message, hint))
        if self.ahead and not found:
            message = f"this machine's agrees with {' and '.join(self.ahead)}"
            found.append(Check("clocks", Finding.OK, message))
        return found


def check_token(environment: Mapping[str, str]) -> Iterator[Check]:
    """Say where the token comes from. Raises SettingsError if there is none, or one that no header can hold."""
    Token(read_token(environment))
    if environment.get("EXTRUCT_API_TOKEN", "").strip():
        source = "from EXTRUCT_API_TOKEN"
        if environment.get("EXTRUCT_API_TOKEN_FILE"):
            source += ", which comes before EXTRUCT_API_TOKEN_FILE"
    else:
        source = "from the file that EXTRUCT_API_TOKEN_FILE names"
    yield Check("token", Finding.OK, source)


def check_api(settings: Settings, environment: Mapping[str, str], clocks: Clocks) -> Iterator[Check]:
    """Ask the API once, with the token if there is one that it may be told. Raises SettingsError."""
    check_recipient(settings)
    probed = probe(_options(settings, environment), now=clocks.now)
    if probed.ahead_seconds is not None:
        clocks.ahead["the API's"] = probed.ahead_seconds
    where = one_line(settings.api_url, 500)
    error = probed.error
    if error is not None and error.status in _NOT_LET_IN:
        yield _answers(where, probed)
        yield Check.of_error("token", error)
        return
    if error is not None:
        yield Check.of_error("API", error, _ODD_ANSWER_HINT)
        if probed.account is None or not probed.account.source:
            return
    else:
        yield _answers(where, probed)
    if probed.account is not None:
        yield from _check_account(probed.account, settings.limits)


def _options(settings: Settings, environment: Mapping[str, str]) -> ApiOptions:
    """Return the API's settings; without a usable token, those of a question that needs none."""
    try:
        options = api_options(settings, environment)
    except SettingsError:
        options = ApiOptions(settings.api_url, NoToken(), network=api_network(settings, environment))
    seconds = min(settings.project.api.timeout_seconds, LONGEST_WAIT_SECONDS)
    return replace(options, timeout_seconds=seconds)


def _answers(where: str, probed: Probed) -> Check:
    if probed.seconds < SLOW_SECONDS:
        return Check("API", Finding.OK, f"{where} answers")
    hint = "Reading many tables will take long; look at the network, or at the API's own state."
    return Check("API", Finding.NOTE, f"{where} is slow: it took {duration(probed.seconds)} to answer", hint)


def _check_account(account: Account, limits: Limits) -> Iterator[Check]:
    yield _organization(account, limits)
    if account.needs_plan:
        message = "the organization has no paid plan, so the API refuses every run call (plan_required)"
        yield Check("balance", Finding.WRONG, message, "Choose a plan on the workspace's billing page.")
    yield _balance(account, limits)


def _organization(account: Account, limits: Limits) -> Check:
    shown = " · ".join(filter(None, (account.organization_name, account.organization_slug, account.organization_id)))
    pinned = limits.organization
    if pinned is None:
        if not shown:
            return Check("organization", Finding.NOTE, "the API does not say which organization the token belongs to")
        return Check("organization", Finding.OK, shown)
    (wanted,) = pinned.allowed
    if account.is_of(wanted):
        return Check("organization", Finding.OK, f"{shown}, as {pinned.set_at} demands")
    of = f"the token belongs to {quote(shown)}" if shown else "the token's organization is not known"
    hint = f"Use a token of that organization, or correct {pinned.set_at}. Until then plan and apply refuse."
    return Check("organization", Finding.WRONG, f"{of}, and this project to {quote(wanted)}", hint)


def _balance(account: Account, limits: Limits) -> Check:
    floor = limits.min_balance
    if account.is_unlimited:
        return Check("balance", Finding.OK, "unlimited credits")
    if account.available is None:
        message = f"the balance is not known ({account.why_unknown})"
        if floor is None:
            return Check("balance", Finding.NOTE, message, "Plans are not checked against it.")
        hint = (
            f"{floor.set_at} asks for {amount(floor.value)} credits to be left, so every plan is refused until it is."
        )
        return Check("balance", Finding.WRONG, message, hint)
    message = f"{amount(account.available)} credits"
    least = floor.value if floor is not None else 0
    if account.available <= least:
        wanted = f", and {amount(least)} must be left ({floor.set_at})" if floor is not None else ""
        return Check("balance", Finding.WRONG, f"{message}{wanted}", "Buy credits, or lower what must be left.")
    return Check("balance", Finding.OK, message)
