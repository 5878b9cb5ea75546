"""A calendar's dates: cron expressions in time zones. The only module that uses cronsim and zoneinfo.

When clocks change, a date in the skipped hour comes right after it, and a date in the repeated hour comes once; a
calendar with a date in every hour keeps its pace through both. Debian's cron treats every field that begins with `*`
like that: `30 */2 * * *` would then come twice within an hour, and each date is a purchase. Otherwise this follows
Debian: a day of the month and a day of the week are alternatives, unless one of the two fields begins with `*`.

cronsim counts times of day without a zone here. With a zone, it never returns when it looks back over the day that
Samoa skipped, and skips half an hour of Lord Howe when it looks ahead. `tzdata` provides the zones, because a slim
container image has none.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from reconciler.model.manifest import Calendar, CalendarDates
from reconciler.text.codes import Code
from reconciler.text.phrases import did_you_mean, quote

_FIELDS = (
    # The field's name in messages, cronsim's attribute for its values, and the number of values before it wraps.
    ("minute", "minutes", 60),
    ("hour", "hours", 24),
    ("day of the month", "days", 31),
    ("month", "months", 12),
    ("day of the week", "weekdays", 7),
)
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""Any calendar has its first date within 50 years of this day, as far as cronsim looks ahead, or never."""
_DAY = timedelta(days=1)
_LONGEST_FOLD = timedelta(hours=4)
"""Longer than any clock was set back since 1970."""
_WHAT_TO_WRITE = "Write minute, hour, day of the month, month and day of the week: `0 6 * * 1` is every Monday at 6:00."


@dataclass(frozen=True, slots=True)
class CalendarProblem:
    """A problem with a calendar."""

    key: str
    """The manifest's key with the problem: `at` or `timezone`."""
    message: str
    hint: str
    code: Code = Code.INVALID_CALENDAR


@cache
def faults(at: Calendar) -> tuple[CalendarProblem, ...]:
    """Return the problems of a calendar, each with what to write instead."""
    return (*_cron_faults(at.cron), *zone_faults(at.timezone))


def dates(at: Calendar, now: datetime) -> CalendarDates:
    """Return the last and next date of a valid calendar at `now`, which has a time zone."""
    now = now.astimezone(UTC)
    zone = ZoneInfo(at.timezone)
    here = now.astimezone(zone).replace(tzinfo=None, microsecond=0)
    before = _first(at, CronSim(at.cron, here + _LONGEST_FOLD, reverse=True), lambda moment: moment <= now)
    ahead = _first(at, CronSim(at.cron, here - _LONGEST_FOLD), lambda moment: moment > now)
    last, following = max(before, default=None), min(ahead, default=None)
    return CalendarDates(last and last.astimezone(zone), following and following.astimezone(zone))


def dates_between(at: Calendar, start: datetime, stop: datetime) -> list[float]:
    """Return the dates of a valid calendar after `start` and before `stop`, in seconds since the epoch, in order."""
    zone, fields = ZoneInfo(at.timezone), CronSim(at.cron, _SOME_DAY)
    times = [3600 * hour + 60 * minute for hour in fields.hours for minute in fields.minutes]
    midnights = CronSim(" ".join(["0 0", *at.cron.split()[2:]]), _local(start, zone) - 2 * _DAY)
    found: set[float] = set()
    for midnight in takewhile(lambda each: each < _local(stop, zone) + _DAY, midnights):
        first, following = (moment.replace(tzinfo=zone) for moment in (midnight, midnight + _DAY))
        if first.utcoffset() == following.utcoffset():
            # The clocks run on through the day, so one sum is enough for each of up to 1,440 dates.
            begin = first.timestamp()
            found.update([begin + time for time in times])
        else:
            found.update(
                moment.timestamp() for time in times for moment in _moments(at, midnight + timedelta(seconds=time))
            )
    after, before = start.timestamp(), stop.timestamp()
    return sorted(moment for moment in found if after < moment < before)


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _first(at: Calendar, times: Iterable[datetime], is_asked_for: Callable[[datetime], bool]) -> list[datetime]:
    """Return the first matching moments, plus those within a fold: there, times of day are not in order."""
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
    """Return when, in UTC, a calendar's time of day occurs: once, except where clocks change."""
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
        yield CalendarProblem("at", f"{quote(cron)} is not a calendar: it has {number} instead of five", _WHAT_TO_WRITE)
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
            "at", f"{quote(cron)} is not a calendar: its {wrong.replace('-', ' ')} is wrong", _WHAT_TO_WRITE
        )


def _idle_steps(cron: str) -> Iterator[CalendarProblem]:
    """Yield a problem for each step that is never taken: `*/61` says every 61 minutes but comes every hour.

    A step of the field's own size (`*/60`) is correct.
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
                    "at", f"{quote(cron)} has a step after the last day of a month", "Write `L` without a step."
                )
            elif first + int(step) > last:
                message = f"{quote(cron)} means only {name} {first}: its step of {int(step)} goes beyond {last}"
                yield CalendarProblem("at", message, f"Write `{first}` if you mean that, else a smaller step.")


def _never(cron: str) -> CalendarProblem:
    return CalendarProblem(
        "at", f"{quote(cron)} never comes: none of its months has such a day", "Choose a day that exists."
    )


def _in_any_month(cron: str) -> str:
    minute, hour, day, _, weekday = cron.split()
    return f"{minute} {hour} {day} * {weekday}"


def _refused(cron: str) -> str | None:
    """Return the name of the field that cronsim refuses; None if it accepts the expression."""
    try:
        CronSim(cron, _SOME_DAY)
    except CronSimError as error:
        return str(error).removeprefix("Bad ")
    return None


def zone_faults(name: str) -> Iterator[CalendarProblem]:
    """Yield the problem of a time zone's name, if it has one."""
    if name not in _zones():
        guess = did_you_mean(name, _zones())
        hint = "Write a name such as `Europe/Berlin` or `UTC`."
        yield CalendarProblem("timezone", f"there is no time zone {quote(name)}{guess}", hint, Code.UNKNOWN_TIME_ZONE)


@cache
def _zones() -> frozenset[str]:
    """Return the zones that every machine knows; a system's own folder has more, such as its `localtime`."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())
