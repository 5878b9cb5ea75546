"""`spec.schedules` of a project file → schedules."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler import manifests
from reconciler.manifests.document import Document
from reconciler.model.limits import Limit, Limits
from reconciler.model.manifest import Calendar
from reconciler.model.schedule import Schedule
from reconciler.settings.limits_reader import as_decimal
from reconciler.text.location import Diagnostic

_AT = ("spec", "schedules")


def schedules_of(document: Document) -> tuple[Schedule, ...]:
    """Return the schedules of a project file that its schema has already accepted, by name."""
    return tuple(_schedule(document, name, entry) for name, entry in sorted(_entries(document).items()))


def calendar_problems(document: Document) -> Iterator[Diagnostic]:
    """Yield a problem for each calendar that is none, whatever else is wrong with the file."""
    for name, entry in _entries(document).items():
        at, zone = (entry.get(key, usual) if isinstance(entry, dict) else None for key, usual in _CALENDAR)
        if isinstance(at, str) and isinstance(zone, str):
            for fault in manifests.calendar.faults(Calendar(at, zone)):
                place = document.location((*_AT, name, fault.key))
                yield Diagnostic(place, fault.code, fault.message, fault.hint)


_CALENDAR = (("at", None), ("timezone", "UTC"))


def _entries(document: Document) -> Mapping[str, Any]:
    value: Any = document.value
    for step in _AT:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _schedule(document: Document, name: str, entry: Mapping[str, Any]) -> Schedule:
    def limit(key: str) -> Limit | None:
        if key not in entry:
            return None
        place = document.location((*_AT, name, key), key=True)
        return Limit(as_decimal(entry[key]), f"{place.path}:{place.line} ({'.'.join((*_AT, name, key))})")

    return Schedule(
        name=name,
        at=Calendar(entry["at"], entry.get("timezone", "UTC")),
        cap=Limits(max_credits=limit("max_credits"), max_cells=limit("max_cells")),
        target=tuple(entry.get("target", ())),
        workspace=entry.get("workspace", "default"),
    )
