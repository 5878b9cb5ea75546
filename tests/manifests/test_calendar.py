"""When a calendar's dates come: in every zone, where clocks change, and where there are none."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.manifests.calendar import dates, dates_between, faults
from reconciler.model.manifest import Calendar
from tests.example_counts import examples

BERLIN = ZoneInfo("Europe/Berlin")
WEEKLY = Calendar("0 6 * * 1", "Europe/Berlin")
NIGHTLY = Calendar("30 2 * * *", "Europe/Berlin")
TWO_HOURLY = Calendar("30 */2 * * *", "Europe/Berlin")
QUARTERS = Calendar("*/15 2 * * *", "Europe/Berlin")
HALF_PAST = Calendar("30 * * * *", "Europe/Berlin")


def berlin(text: str) -> datetime:
    """Return a moment as a clock in Berlin shows it, with its offset where that is not clear."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("at", "now", "last", "following"),
    [
        (WEEKLY, "2026-11-25T12:00", "2026-11-23T06:00", "2026-11-30T06:00"),
        (WEEKLY, "2026-11-23T06:00", "2026-11-23T06:00", "2026-11-30T06:00"),  # at the very moment it has come
        (WEEKLY, "2026-11-23T05:59:59.999999", "2026-11-16T06:00", "2026-11-23T06:00"),
        (WEEKLY, "2026-11-23T06:00:00.000001", "2026-11-23T06:00", "2026-11-30T06:00"),
        # Six o'clock stays six o'clock in summer and in winter.
        (WEEKLY, "2026-03-30T12:00", "2026-03-30T06:00+02:00", "2026-04-06T06:00+02:00"),
        (WEEKLY, "2026-10-26T12:00", "2026-10-26T06:00+01:00", "2026-11-02T06:00+01:00"),
        # 29 March 2026: from 2:00 to 3:00 there is no time. What falls into it comes at three.
        (NIGHTLY, "2026-03-29T01:59:59+01:00", "2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00"),
        (NIGHTLY, "2026-03-29T03:00+02:00", "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"),
        (NIGHTLY, "2026-03-29T03:10+02:00", "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"),
        (HALF_PAST, "2026-03-29T03:10+02:00", "2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00"),
        # 25 October 2026: from 2:00 to 3:00 it is twice. A time of day comes at the first of the two, and once.
        (NIGHTLY, "2026-10-25T02:29+02:00", "2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00"),
        (NIGHTLY, "2026-10-25T02:30+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        (NIGHTLY, "2026-10-25T02:10+01:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        (NIGHTLY, "2026-10-25T02:40+01:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        # What goes by every hour comes in both.
        (HALF_PAST, "2026-10-25T02:10+01:00", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"),
        (HALF_PAST, "2026-10-25T02:40+01:00", "2026-10-25T02:30+01:00", "2026-10-25T03:30+01:00"),
        # Nor does a step repeat in it: every two hours is never twice within one.
        (TWO_HOURLY, "2026-10-25T02:40+01:00", "2026-10-25T02:30+02:00", "2026-10-25T04:30+01:00"),
        (TWO_HOURLY, "2026-03-29T03:10+02:00", "2026-03-29T03:00+02:00", "2026-03-29T04:30+02:00"),
        (QUARTERS, "2026-10-25T02:45+02:00", "2026-10-25T02:45+02:00", "2026-10-26T02:00+01:00"),
        (QUARTERS, "2026-03-29T03:10+02:00", "2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"),
        (
            Calendar("0,15,30,45 2 * * *", "Europe/Berlin"),
            "2026-10-25T02:50+02:00",
            "2026-10-25T02:45+02:00",
            "2026-10-26T02:00",
        ),
        # Every hour is every hour, however it is written.
        (
            Calendar("30 */1 * * *", "Europe/Berlin"),
            "2026-10-25T02:40+02:00",
            "2026-10-25T02:30+02:00",
            "2026-10-25T02:30+01:00",
        ),
        (
            Calendar("30 0-23 * * *", "Europe/Berlin"),
            "2026-10-25T02:40+02:00",
            "2026-10-25T02:30+02:00",
            "2026-10-25T02:30+01:00",
        ),
        (
            Calendar("*/20 * * * *", "Europe/Berlin"),
            "2026-10-25T02:40+02:00",
            "2026-10-25T02:40+02:00",
            "2026-10-25T02:00+01:00",
        ),
        # A day that a year rarely has.
        (Calendar("0 6 29 2 *", "UTC"), "2026-11-25T12:00Z", "2024-02-29T06:00Z", "2028-02-29T06:00Z"),
    ],
)
def test_a_calendar_has_its_last_and_its_next_date(at: Calendar, now: str, last: str, following: str) -> None:
    """By the clocks of its zone, and once where those are set back."""
    found = dates(at, berlin(now).astimezone(UTC))
    assert found.last is not None
    assert found.next is not None
    # As moments: two times of the same zone are compared by what its clocks show, which is twice the same in October.
    assert (found.last.astimezone(UTC), found.next.astimezone(UTC)) == (
        berlin(last).astimezone(UTC),
        berlin(following).astimezone(UTC),
    )
    assert found.last.tzinfo == ZoneInfo(at.timezone)


@pytest.mark.parametrize(
    ("cron", "comes"),
    [
        # A step starts again with its field: 45 minutes are 45 and 15 by turns, and the 31st is followed by the 1st.
        ("*/45 * * * *", ["01T00:00", "01T00:45", "01T01:00", "01T01:45"]),
        ("0 0 */15 * *", ["01T00:00", "16T00:00", "31T00:00"]),
        ("7/25 0 1 * *", ["01T00:07", "01T00:32", "01T00:57"]),
        ("*/60 */24 1-2 * *", ["01T00:00", "02T00:00"]),
        ("0 6 * * */7", ["03T06:00", "10T06:00", "17T06:00"]),
        # One of two days is enough, unless one of the two fields begins with `*`.
        ("0 6 13 * 5", ["01T06:00", "08T06:00", "13T06:00", "15T06:00"]),
        ("0 6 */13 * 5", ["01T06:00"]),
        ("0 6 1-7 * */5", ["01T06:00", "03T06:00"]),
    ],
)
def test_a_calendar_means_what_cron_makes_of_it(cron: str, comes: list[str]) -> None:
    """In May 2026, whose first day is a Friday: what is easily taken for something else, and no fault."""
    at, expected = Calendar(cron, "UTC"), [datetime.fromisoformat(f"2026-05-{each}+00:00") for each in comes]
    assert faults(at) == ()
    now, found = datetime(2026, 4, 30, 23, 59, tzinfo=UTC), []
    for _ in expected:
        following = dates(at, now).next
        assert following is not None
        found.append(now := following)
    assert found == expected


FIELDS = st.tuples(
    st.sampled_from(["0", "30", "*/20", "*", "59"]),
    st.sampled_from(["*", "2", "0,2-3", "*/6", "23"]),
    st.sampled_from(["*", "1", "L", "31", "29-31"]),
    st.sampled_from(["*", "3,10", "MAR-OCT"]),
    st.sampled_from(["*", "0", "7", "MON-FRI", "5L", "MON#1"]),
).map(" ".join)
ZONES = st.sampled_from(
    # Halves of an hour, a change at midnight, half an hour's change, none at all, and a day that was left out.
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "America/Havana",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ]
)
CHANGES = [datetime(2026, month, day, tzinfo=UTC) for month in (3, 4, 10, 11) for day in (1, 5, 8, 25, 29)]
MOMENTS = st.sampled_from([*CHANGES, datetime(2011, 12, 30, 12, tzinfo=UTC)]).flatmap(
    lambda day: st.integers(-90_000, 90_000).map(lambda seconds: day + timedelta(seconds=seconds))
)


@settings(max_examples=examples(800))
@given(FIELDS, ZONES, MOMENTS)
def test_the_last_and_the_next_date_are_neighbours_around_now(cron: str, zone: str, now: datetime) -> None:
    """Nothing is left out between them, whichever way one looks, and both are in the calendar."""
    at = Calendar(cron, zone)
    if faults(at):
        return
    found = dates(at, now)
    assert found.last is not None
    assert found.next is not None
    last, following = found.last.astimezone(UTC), found.next.astimezone(UTC)
    assert last <= now < following
    for moment in (last, following - timedelta(seconds=1)):
        again = dates(at, moment)
        assert again == found


@settings(max_examples=40)
@given(FIELDS, MOMENTS)
def test_without_a_change_of_clocks_dates_are_what_their_fields_say(cron: str, now: datetime) -> None:
    """Minute by minute, in UTC, where nothing is left out or twice."""
    at = Calendar(cron, "UTC")
    minute, hour, *days = cron.split()
    if days != ["*", "*", "*"]:
        return
    minutes = {"*": range(60), "*/20": (0, 20, 40)}.get(minute) or (int(minute),)
    hours = {"*": range(24), "*/6": (0, 6, 12, 18), "0,2-3": (0, 2, 3)}.get(hour) or (int(hour),)
    start = now.replace(second=0, microsecond=0) - timedelta(days=1)
    found = [
        moment
        for moment in (start + timedelta(minutes=number) for number in range(2 * 1440 + 2))
        if moment.minute in minutes and moment.hour in hours
    ]
    assert dates(at, now).last == max(moment for moment in found if moment <= now)
    assert dates(at, now).next == min(moment for moment in found if moment > now)


def test_a_calendar_that_has_not_begun_or_has_ended_has_no_such_date() -> None:
    """Within the fifty years that anybody looks ahead or back."""
    rare = Calendar("0 0 29 2 MON#5", "UTC")
    assert faults(rare) == ()
    assert dates(Calendar("0 0 1 1 *", "UTC"), datetime(1970, 1, 1, tzinfo=UTC)).last == datetime(
        1970, 1, 1, tzinfo=UTC
    )
    assert dates(rare, datetime(2026, 1, 1, tzinfo=UTC)).last is not None


@pytest.mark.parametrize(
    "cron",
    [
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "60 * * * *",
        "* * * *",
        "0 0 0 * * *",
        "@daily",
        "x",
        "0 6 * * MO",
        "*/0 * * * *",
    ],
)
def test_what_is_not_a_calendar_has_one_fault(cron: str) -> None:
    """At its expression, and not at its zone."""
    (fault,) = faults(Calendar(cron, "UTC"))
    assert (fault.key, bool(fault.hint)) == ("at", True)


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("*/61 * * * *", "means only minute 0: its step of 61 goes beyond 59"),
        ("50/15 * * * *", "means only minute 50: its step of 15 goes beyond 59"),
        ("10-20/15 * * * *", "means only minute 10: its step of 15 goes beyond 20"),
        ("0 5,*/25 * * *", "means only hour 0: its step of 25 goes beyond 23"),
        ("0 0 */32 * *", "means only day of the month 1: its step of 32 goes beyond 31"),
        ("0 0 1 JUN/7 *", "means only month 6: its step of 7 goes beyond 12"),
        ("0 0 * * MON-FRI/5", "means only day of the week 1: its step of 5 goes beyond 5"),
        (f"*/{'9' * 30} */25 * * *", f"means only minute 0: its step of {'9' * 30} goes beyond 59"),
        ("0 0 L/5 * *", "has a step after the last day of a month"),
    ],
)
def test_a_step_that_is_never_taken_is_a_fault(cron: str, said: str) -> None:
    """Its author means every 61 minutes, and would buy every hour."""
    (fault,) = faults(Calendar(cron, "UTC"))
    assert (fault.key, fault.message) == ("at", f"`{cron}` {said}")
    assert fault.hint


@settings(max_examples=examples(800))
@given(st.text("0123456789*/,-#LWMON ", max_size=20), st.text(max_size=12))
def test_whatever_is_written_is_told_and_never_breaks_anything(cron: str, zone: str) -> None:
    """A calendar without faults has dates; any other says what is wrong."""
    at = Calendar(cron, zone)
    if not faults(at):
        assert dates(at, datetime(2026, 1, 1, tzinfo=UTC)).next is not None
    elif not faults(Calendar(cron, "UTC")):
        assert dates(Calendar(cron, "UTC"), datetime(2026, 1, 1, tzinfo=UTC)).last is not None


@pytest.mark.parametrize(
    "zone", ["Europe/Berln", "europe/berlin", "localtime", "right/UTC", "../etc/passwd", "Europe", ""]
)
def test_a_zone_that_not_every_machine_has_is_a_fault(zone: str) -> None:
    """A system's own folder holds more names than IANA's, and files that are no zones."""
    (fault,) = faults(Calendar("0 6 * * 1", zone))
    assert fault.key == "timezone"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "UTC"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "30 */2 * * *", "30 * * * *", "0 0 1,15,L * 5", "*/20 0-3 * * *"])
@pytest.mark.parametrize("start", ["2026-03-26T23:30", "2026-10-22T12:00", "2026-04-23T00:30"])
def test_the_dates_between_two_moments_are_those_that_follow_one_another(zone: str, cron: str, start: str) -> None:
    """Through each change of the clocks; neither the moment before nor the one behind counts."""
    at, begin = Calendar(cron, zone), datetime.fromisoformat(start).replace(tzinfo=UTC)
    end = begin + timedelta(days=6)
    expected, date = [], dates(at, begin).next
    while date is not None and date < end:
        expected.append(date.timestamp())
        date = dates(at, date).next
    assert dates_between(at, begin, end) == expected
