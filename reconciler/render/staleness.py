"""A `refresh` in words: how old a stale cell is, and when the next cell falls due."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.model.manifest import Calendar, Refresh
from reconciler.text.numbers import moment_text
from reconciler.text.sanitize import one_line

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def older_than(refresh: Refresh | None, stale_before: datetime | None) -> str:
    """Return `30d`, or `Monday 2026-11-23 06:00 Europe/Berlin`: a cell older than that is stale."""
    if isinstance(refresh, Calendar):
        return _date(stale_before, one_line(refresh.cron), one_line(refresh.timezone))
    return "its run allows" if refresh is None else refresh.text


def older_than_as_written(run: Mapping[str, Any]) -> str:
    """Return the same for a run of a plan file, whose untrusted texts are cleaned."""
    refresh = run.get("refresh") or {}
    if "at" in refresh:
        return _date(
            _moment(run.get("stale_before")), one_line(refresh["at"], 64), one_line(refresh.get("timezone", ""), 64)
        )
    return one_line(refresh.get("every", "its run allows"), 64)


def next_due_as_written(run: Mapping[str, Any]) -> str:
    """Return when the next cells of a plan file's run fall due; empty if it does not say."""
    moment = _moment(run.get("next_due"))
    return moment_text(moment) if moment else ""


def _date(moment: datetime | None, cron: str, zone: str) -> str:
    # strftime would name the days in the machine's language.
    return f"{_DAYS[moment.weekday()]} {moment:%Y-%m-%d %H:%M} {zone}" if moment else f"any date of {cron}"


def _moment(text: str | None) -> datetime | None:
    """Return the moment in a file's text; None if the text is not a moment."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment if moment.tzinfo is not None and 1970 <= moment.year <= 9000 else None
    except ValueError:
        return None
