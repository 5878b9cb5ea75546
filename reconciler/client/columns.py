"""A table's columns from its header: what each is, and which others it waits for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.client.loose_json import is_plain, shown_text
from reconciler.client.paths import as_uuid
from reconciler.errors import BadResponse
from reconciler.fingerprint import digest
from reconciler.observed import Column

# The innermost braces: `{key}`, `{ key }`, the key of `{{key}}` and of `{"a": {key}}`. Linear in the text.
_REFERENCE = re.compile(r"\{([^{}]+)\}")


def read_columns(shown: Any) -> tuple[Column, ...]:
    """Return the columns of a header's `columns` [D]. Raises BadResponse.

    `upstream` errs on the side of more: every string of a column's configuration counts as a prompt, and an escaped
    `{{key}}` as a reference. What that costs is a cell called blocked; what too few would cost is a paid call for it.
    """
    if not isinstance(shown, list):
        raise BadResponse("`columns` is not a list")
    found = [_identity(column) for column in shown]
    by_key: dict[str, str] = {}
    by_id: dict[str, str] = {}
    for column_id, key, _config in found:
        if column_id in by_id or key in by_key:
            raise BadResponse("two columns have the same id or the same key")
        by_id[column_id] = by_key[key] = column_id
    names = {**by_key, **by_id}
    try:
        return tuple(_column(column_id, key, config, by_key, names) for column_id, key, config in found)
    except (RecursionError, ValueError):
        reason = "a column's configuration is nested too deeply, or holds a number that JSON cannot say"
    raise BadResponse(reason)


def _identity(shown: Any) -> tuple[str, str, dict[str, Any]]:
    if not isinstance(shown, dict):
        raise BadResponse("a column is not an object")
    column_id = as_uuid(shown.get("id"))
    if column_id is None:
        raise BadResponse("a column's id is not a UUID")
    config = shown.get("config")
    if not isinstance(config, dict):
        raise BadResponse("a column has no `config` object")
    return column_id, plain_text(config, "key", "a column"), config


def _column(
    column_id: str, key: str, config: dict[str, Any], by_key: Mapping[str, str], names: Mapping[str, str]
) -> Column:
    name = config.get("name")
    return Column(
        id=column_id,
        key=key,
        name=shown_text(name) if isinstance(name, str) and name else key,
        kind=plain_text(config, "kind", "a column"),
        upstream=_upstream(column_id, config.get("value"), by_key, names),
        config_digest=digest({field: value for field, value in config.items() if field != "name"}),
    )


def _upstream(column_id: str, value: Any, by_key: Mapping[str, str], names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ids of other columns that `value` names, in the table's order."""
    wanted: set[str | None] = {
        by_key.get(name.strip()) for text in _strings(value) for name in _REFERENCE.findall(text)
    }
    extra = value.get("extra_dependencies") if isinstance(value, dict) else None
    if isinstance(extra, list):
        wanted.update(names.get(name) or names.get(name.lower()) for name in extra if isinstance(name, str))
    return tuple(other for other in by_key.values() if other in wanted and other != column_id)


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in `value`, however deep; without recursion, which nesting could exhaust."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)


def plain_text(shown: Mapping[str, Any], field: str, whose: str) -> str:
    """Return a string that is there, not empty and can be printed. Raises BadResponse."""
    text = shown.get(field)
    if not isinstance(text, str) or not text or not is_plain(text):
        raise BadResponse(f"{whose} has no usable `{field}`")
    return text
