"""A calendar's dates: cron expressions over time zones. The one door of cronsim and zoneinfo.

Dates are as Debian's cron has them, also where clocks change: what falls into the hour that is left out comes right
after it, what falls into the hour that is there twice comes once, and a calendar that goes by every minute or every
hour keeps its pace through both. `tzdata` brings the zones, because a slim container image has none.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from reconciler.freshness import Dates
from reconciler.manifest import At, Manifest
from reconciler.wording import did_you_mean, quote

_FIELDS = 5
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""Any calendar has its first date within the 50 years that cronsim looks ahead from here, or never."""
_LONGEST_FOLD = timedelta(days=1)
"""More than any clock was ever put back."""
_WHAT_TO_WRITE = "Write minute, hour, day of the month, month and day of the week: `0 6 * * 1` is every Monday at 6:00."


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a calendar."""

    key: str
    """The key of the manifest that says it: `at` or `timezone`."""
    message: str
    hint: str


@cache
def faults(at: At) -> tuple[Fault, ...]:
    """Say what is wrong with a calendar, and what to write instead."""
    return (*_cron_faults(at.cron), *_zone_faults(at.timezone))


def dates_of(manifests: Iterable[Manifest], now: datetime) -> dict[At, Dates]:
    """Return where every calendar of the manifests stands at `now`, which has a time zone."""
    found = {run.refresh for manifest in manifests for run in manifest.runs if isinstance(run.refresh, At)}
    return {at: dates(at, now) for at in found}


def dates(at: At, now: datetime) -> Dates:
    """Return where a calendar without faults stands at `now`, which has a time zone."""
    zone = ZoneInfo(at.timezone)
    # The same time of day comes twice where clocks are put back, and cronsim starts from the time of day: so it starts
    # on the safe side of `now`, and what it gives is compared as moments, which the times of day are not.
    late = (now + _LONGEST_FOLD).replace(microsecond=0).astimezone(zone)
    last = next((date for date in CronSim(at.cron, late, reverse=True) if date.timestamp() <= now.timestamp()), None)
    ahead = CronSim(at.cron, now.astimezone(zone))
    following = next((date for date in ahead if date.timestamp() > now.timestamp()), None)
    return Dates(last, following)


def _cron_faults(cron: str) -> Iterator[Fault]:
    count = len(cron.split())
    if count != _FIELDS:
        number = f"{count} {'field' if count == 1 else 'fields'}"
        yield Fault("at", f"{quote(cron)} is no calendar: it has {number}, and a calendar has five", _WHAT_TO_WRITE)
        return
    wrong = _refused(cron)
    if wrong is None:
        if next(CronSim(cron, _SOME_DAY), None) is None:
            yield _never(cron)
    elif wrong == "day-of-month" and _refused(_in_any_month(cron)) is None:
        yield _never(cron)
    else:
        yield Fault("at", f"{quote(cron)} is no calendar: its {wrong.replace('-', ' ')} is wrong", _WHAT_TO_WRITE)


def _never(cron: str) -> Fault:
    return Fault("at", f"{quote(cron)} never comes: no month it names has such a day", "Name a day that there is.")


def _in_any_month(cron: str) -> str:
    minute, hour, day, _, weekday = cron.split()
    return f"{minute} {hour} {day} * {weekday}"


def _refused(cron: str) -> str | None:
    """Return the name of the field that cronsim refuses; None where it takes the expression."""
    try:
        CronSim(cron, _SOME_DAY)
    except CronSimError as error:
        return str(error).removeprefix("Bad ")
    return None


def _zone_faults(name: str) -> Iterator[Fault]:
    if name not in _zones():
        guess = did_you_mean(name, _zones())
        hint = "Write a name such as `Europe/Berlin` or `UTC`."
        yield Fault("timezone", f"there is no time zone {quote(name)}{guess}", hint)


@cache
def _zones() -> frozenset[str]:
    """Return the names that every machine knows; a system's own folder holds more, such as its `localtime`."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())
