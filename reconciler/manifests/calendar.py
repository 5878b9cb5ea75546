"""A calendar's dates: cron expressions over time zones. The one door of cronsim and zoneinfo.

Where clocks change, what falls into the hour that is left out comes right after it, and what falls into the hour that
is there twice comes once; a calendar that comes in every hour keeps its pace through both. Debian's cron takes every
field that begins with `*` for such a one: `30 */2 * * *` would come twice within an hour, and each date is a purchase.
All else is as Debian has it: a day of the month and one of the week are alternatives, unless one of the two fields
begins with `*`.

cronsim counts times of day without a zone here; with one, looking back over the day that Samoa left out it never
returns, and looking ahead it steps over half an hour of Lord Howe. `tzdata` brings the zones, because a slim container
image has none.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from reconciler.model.manifest import Calendar, CalendarDates, Manifest
from reconciler.text.phrases import did_you_mean, quote

_FIELDS = (
    # What messages call a field, where cronsim keeps its values, and after how many of them it begins again.
    ("minute", "minutes", 60),
    ("hour", "hours", 24),
    ("day of the month", "days", 31),
    ("month", "months", 12),
    ("day of the week", "weekdays", 7),
)
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""Any calendar has its first date within the 50 years that cronsim looks ahead from here, or never."""
_LONGEST_FOLD = timedelta(hours=4)
"""More than any clock was put back since 1970."""
_WHAT_TO_WRITE = "Write minute, hour, day of the month, month and day of the week: `0 6 * * 1` is every Monday at 6:00."


@dataclass(frozen=True, slots=True)
class CalendarProblem:
    """What is wrong with a calendar."""

    key: str
    """The key of the manifest that says it: `at` or `timezone`."""
    message: str
    hint: str


@cache
def faults(at: Calendar) -> tuple[CalendarProblem, ...]:
    """Say what is wrong with a calendar, and what to write instead."""
    return (*_cron_faults(at.cron), *_zone_faults(at.timezone))


def dates_of(manifests: Iterable[Manifest], now: datetime) -> dict[Calendar, CalendarDates]:
    """Return where every calendar of the manifests stands at `now`, which has a time zone."""
    found = {run.refresh for manifest in manifests for run in manifest.runs if isinstance(run.refresh, Calendar)}
    return {at: dates(at, now) for at in found}


def dates(at: Calendar, now: datetime) -> CalendarDates:
    """Return where a calendar without faults stands at `now`, which has a time zone."""
    now = now.astimezone(UTC)
    zone = ZoneInfo(at.timezone)
    here = now.astimezone(zone).replace(tzinfo=None, microsecond=0)
    before = _first(at, CronSim(at.cron, here + _LONGEST_FOLD, reverse=True), lambda moment: moment <= now)
    ahead = _first(at, CronSim(at.cron, here - _LONGEST_FOLD), lambda moment: moment > now)
    last, following = max(before, default=None), min(ahead, default=None)
    return CalendarDates(last and last.astimezone(zone), following and following.astimezone(zone))


def _first(at: Calendar, times: Iterable[datetime], is_asked_for: Callable[[datetime], bool]) -> list[datetime]:
    """Return the first moments asked for, and what is a fold further: in a fold, times of day are not in order."""
    found: list[datetime] = []
    first = None
    for time in times:
        if first is not None and abs(time - first) > _LONGEST_FOLD:
            break
        moments = [moment for moment in _moments(at, time) if is_asked_for(moment)]
        if moments and first is None:
            first = time
        found += moments
    return found


def _moments(at: Calendar, time: datetime) -> Collection[datetime]:
    """Return when, in UTC, a calendar's time of day comes: once, but where clocks change."""
    zone = ZoneInfo(at.timezone)
    first, second = (time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    exists = first.astimezone(zone).replace(tzinfo=None, fold=0) == time
    if _comes_every_hour(at.cron):
        return {first, second} if exists else ()
    return [first if exists else _change_after(second, zone)]


@cache
def _comes_every_hour(cron: str) -> bool:
    return len(CronSim(cron, _SOME_DAY).hours) == 24


def _change_after(moment: datetime, zone: ZoneInfo) -> datetime:
    offset = moment.astimezone(zone).utcoffset()
    while moment.astimezone(zone).utcoffset() == offset:
        moment += timedelta(minutes=1)
    return moment


def _cron_faults(cron: str) -> Iterator[CalendarProblem]:
    count = len(cron.split())
    if count != len(_FIELDS):
        number = f"{count} {'field' if count == 1 else 'fields'}"
        yield CalendarProblem(
            "at", f"{quote(cron)} is no calendar: it has {number}, and a calendar has five", _WHAT_TO_WRITE
        )
        return
    wrong = _refused(cron)
    if wrong is None:
        if next(CronSim(cron, _SOME_DAY), None) is None:
            yield _never(cron)
        else:
            yield from islice(_idle_steps(cron), 1)
    elif wrong == "day-of-month" and _refused(_in_any_month(cron)) is None:
        yield _never(cron)
    else:
        yield CalendarProblem(
            "at", f"{quote(cron)} is no calendar: its {wrong.replace('-', ' ')} is wrong", _WHAT_TO_WRITE
        )


def _idle_steps(cron: str) -> Iterator[CalendarProblem]:
    """Yield each step that is never taken: `*/61` says every 61 minutes, and comes every hour.

    A step of the field's own size (`*/60`) is right about that.
    """
    for index, (name, attribute, size) in enumerate(_FIELDS):
        for term in cron.upper().split()[index].split(","):
            start, _, step = term.partition("/")
            if not step or int(step) == size:
                continue
            fields = ["*"] * len(_FIELDS)
            whole = set(getattr(CronSim(" ".join(fields), _SOME_DAY), attribute))
            fields[index] = start
            values = set(getattr(CronSim(" ".join(fields), _SOME_DAY), attribute))
            first, last = min(values), max(values if len(values) > 1 else whole)
            if first not in whole:
                yield CalendarProblem(
                    "at", f"{quote(cron)} steps on from the last day of a month", "Write `L` without a step."
                )
            elif first + int(step) > last:
                message = f"{quote(cron)} means {name} {first} alone: its step of {int(step)} leads beyond {last}"
                yield CalendarProblem("at", message, f"Write `{first}` if that is meant, else a smaller step.")


def _never(cron: str) -> CalendarProblem:
    return CalendarProblem(
        "at", f"{quote(cron)} never comes: no month it names has such a day", "Name a day that there is."
    )


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


def _zone_faults(name: str) -> Iterator[CalendarProblem]:
    if name not in _zones():
        guess = did_you_mean(name, _zones())
        hint = "Write a name such as `Europe/Berlin` or `UTC`."
        yield CalendarProblem("timezone", f"there is no time zone {quote(name)}{guess}", hint)


@cache
def _zones() -> frozenset[str]:
    """Return the names that every machine knows; a system's own folder holds more, such as its `localtime`."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())
