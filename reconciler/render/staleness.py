"""What a `refresh` takes for stale, and when something falls due next, in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.model.manifest import Calendar, Refresh
from reconciler.text.numbers import moment_text
from reconciler.text.sanitize import one_line

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def older_than(refresh: Refresh | None, stale_before: datetime | None) -> str:
    """Return `30d`, or `Monday 2026-11-23 06:00 Europe/Berlin`: what a cell is older than that is stale."""
    if isinstance(refresh, Calendar):
        return _date(stale_before, one_line(refresh.cron), one_line(refresh.timezone))
    return "its run allows" if refresh is None else refresh.text


def older_than_as_written(run: Mapping[str, Any]) -> str:
    """Return the same for a run of a plan file, whose texts may say anything; they are clean afterwards."""
    refresh = run.get("refresh") or {}
    if "at" in refresh:
        return _date(
            _moment(run.get("stale_before")), one_line(refresh["at"], 64), one_line(refresh.get("timezone", ""), 64)
        )
    return one_line(refresh.get("every", "its run allows"), 64)


def next_due_as_written(run: Mapping[str, Any]) -> str:
    """Return when a run of a plan file has cells that fall due next; empty where it does not say."""
    moment = _moment(run.get("next_due"))
    return moment_text(moment) if moment else ""


def _date(moment: datetime | None, cron: str, zone: str) -> str:
    # The names of days by strftime would be those of the machine's language.
    return f"{_DAYS[moment.weekday()]} {moment:%Y-%m-%d %H:%M} {zone}" if moment else f"any date of {cron}"


def _moment(text: str | None) -> datetime | None:
    """Return a moment that a file claims; None for what is none."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment if moment.tzinfo is not None and 1970 <= moment.year <= 9000 else None
    except ValueError:
        return None
