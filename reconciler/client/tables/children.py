"""A table's child tables from its header: the tables that its people finders fill."""

from typing import Any

from reconciler.client.http.urls import as_uuid

_PEOPLE = "company_people"
"""The relationship between a table with a people finder and the table that it fills [D]."""


def read_children(shown: Any) -> tuple[str, ...] | None:
    """Return the ids in a header's `child_relationships` [D], each once; None if they are not understood.

    Most readings never use them, so nothing here raises; but nothing is dropped either: one of two children would be
    taken for the only one.
    """
    if shown is None:
        return ()
    if not isinstance(shown, list):
        return None
    found: dict[str, None] = {}
    for each in shown:
        child = as_uuid(each.get("table_id")) if isinstance(each, dict) else None
        if child is None or not isinstance(each.get("relationship_type"), str):
            return None
        if each["relationship_type"] == _PEOPLE:
            found[child] = None
    return tuple(found)
