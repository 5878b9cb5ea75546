"""The API's paths, built only from checked UUIDs: an id like `../../admin` must never become another path."""

import re
from urllib.parse import quote

from reconciler.errors import Refused

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


def as_uuid(text: object) -> str | None:
    """Return `text` in lower case if it is a UUID in its usual 36 characters, else None."""
    return text.lower() if isinstance(text, str) and _UUID.fullmatch(text) else None


def table_path(table_id: str) -> str:
    """Return the path of a table's header [D]. Raises Refused, status None, if it is not a table id."""
    checked = as_uuid(table_id)
    if checked is None:
        raise not_a_table_id()
    return f"/v1/tables/{quote(checked, safe='')}"


def not_a_table_id() -> Refused:
    """Return the error for an invalid table id; the text itself is not repeated."""
    return Refused("this is not a table id, so no request was sent", hint="A table id is a UUID.")


def data_path(table_id: str) -> str:
    """Return the path of a table's data pages [D]. Raises Refused as `table_path` does."""
    return f"{table_path(table_id)}/data"


def row_path(table_id: str, row_id: str) -> str:
    """Return the path of one row [V]. Raises Refused as `table_path` does, and if it is not a row id."""
    checked = as_uuid(row_id)
    if checked is None:
        raise Refused("this is not a row id, so no request was sent", hint="A row id is a UUID.")
    return f"{table_path(table_id)}/rows/{quote(checked, safe='')}"


def run_path(table_id: str) -> str:
    """Return the path that starts a run [D]. Raises Refused as `table_path` does."""
    return f"{table_path(table_id)}/run"
