"""A table's columns from its header, each with the columns it waits for.

A cell whose upstream cells are not done never starts [V], but is paid for. So when in doubt, a dependency is assumed:
one too many makes a cell blocked, one too few pays for a cell that stays empty.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.client.http.lenient_json import is_plain, shown_text
from reconciler.client.http.urls import as_uuid
from reconciler.errors import BadResponse
from reconciler.model.observed import CONTACT_KINDS, FINDER_KIND, INPUT_KIND, Column
from reconciler.text.digest import digest

_BUILT_IN = {
    "generic": frozenset[str](),
    "company": frozenset(("company_profile", "company_name", "company_website")),
    "people": frozenset(("full_name", "profile_url", "role")),
}
"""Table kind → keys of the columns that the service fills by itself and that the table's other columns read [V].

Those of a company table may also be the names of kinds [A], and then read `input` without naming it in a prompt.
"""
_OF_ANY_KIND = frozenset[str]().union(*_BUILT_IN.values())
_CONTACT_INPUTS = frozenset(("full_name", "profile_url", "company_website"))
"""Keys that a contact finder reads [V]."""
_HIGHEST_MAX_RESULTS = 1_000_000
"""The highest plausible `max_results` of a finder; a higher one counts as unknown."""

# A field that names columns: `extra_dependencies`, `email_column_key`, `column_weights` [V], and similar names.
_NAMES_COLUMNS = re.compile(r"column|depend|weight")
# The innermost braces: `{key}`, `{ key }`, the key of `{{key}}` and of `{"a": {key}}`. Linear in the text.
_REFERENCE = re.compile(r"\{([^{}]+)\}")


def read_columns(shown: Any, table_kind: str) -> tuple[Column, ...]:
    """Return the columns of a header's `columns` [D]; raises BadResponse.

    `table_kind` is the header's `kind`; with an unknown one, columns wait for the injected columns of every kind.
    Every string of a column's configuration counts as a prompt, and an escaped `{{key}}` as a reference.
    """
    if not isinstance(shown, list):
        raise BadResponse("`columns` is not a list")
    found = [_identity(column) for column in shown]
    names = _Names({}, {})
    for location, (column_id, key, _config) in enumerate(found):
        if column_id in names.places or key in names.by_key:
            raise BadResponse("two columns have the same id or the same key")
        names.by_key[key], names.places[column_id] = column_id, location
    built_in = _BUILT_IN.get(table_kind, _OF_ANY_KIND)
    try:
        return tuple(_column(column_id, key, config, built_in, names) for column_id, key, config in found)
    except (RecursionError, ValueError):
        reason = "a column's configuration is nested too deeply, or has a number that JSON cannot express"
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


@dataclass(frozen=True, slots=True)
class _Names:
    """The names that a column's configuration may use for its table's columns."""

    by_key: dict[str, str]
    """Key → id."""
    places: dict[str, int]
    """Id → place in the table's order."""

    def ids(self, names: Iterable[str]) -> set[str]:
        """Return the ids of the named columns that exist."""
        found = (column for name in names for column in (self.by_key.get(name.strip()), name.strip().lower()))
        return {column for column in found if column in self.places}

    def in_order(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Return ids in the table's order."""
        return tuple(sorted(ids, key=self.places.__getitem__))


def _column(column_id: str, key: str, config: dict[str, Any], built_in: frozenset[str], names: _Names) -> Column:
    name, kind = config.get("name"), plain_text(config, "kind", "a column")
    is_built_in = kind != INPUT_KIND and (key in built_in or kind in _BUILT_IN["company"])
    written = set[str]() if kind == INPUT_KIND else names.ids(_named(config))
    assumed = _implied(kind, is_built_in=is_built_in, built_in=built_in)
    implied = {names.by_key[each] for each in assumed if each in names.by_key} - written
    itself = {column_id}
    return Column(
        id=column_id,
        key=key,
        name=shown_text(name) if isinstance(name, str) and name else key,
        kind=kind,
        upstream=names.in_order((written | implied) - itself),
        config_digest=digest({field: value for field, value in config.items() if field != "name"}),
        implied=names.in_order(implied - itself),
        is_built_in=is_built_in,
        max_results=_max_results(config.get("value")) if kind == FINDER_KIND else None,
    )


def _implied(kind: str, *, is_built_in: bool, built_in: frozenset[str]) -> frozenset[str]:
    """Return the keys that a column depends on without naming them: because of its own kind or its table's kind [V].

    Columns that the service fills come before the rest; if they waited for each other, nothing would ever start.
    """
    if kind == INPUT_KIND:
        return frozenset()
    if kind in CONTACT_KINDS:
        return _CONTACT_INPUTS
    if is_built_in:
        return frozenset(("input",) if kind in _BUILT_IN["company"] else ())
    return built_in


def _named(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield every string that may name a column, at any depth; without recursion, which could overflow the stack."""
    left = [(field, value, False) for field, value in config.items() if field not in ("key", "kind", "name")]
    while left:
        field, value, is_name = left.pop()
        is_name = is_name or _NAMES_COLUMNS.search(field) is not None
        if isinstance(value, str):
            yield from _REFERENCE.findall(value)
            if is_name:
                yield value
        elif isinstance(value, dict):
            if is_name:
                yield from value
            left.extend((inner, item, is_name) for inner, item in value.items())
        elif isinstance(value, list):
            left.extend(("", item, is_name) for item in value)


def _max_results(value: Any) -> int | None:
    """Return the most people that a finder finds per company [V]; None if unknown."""
    most = value.get("max_results") if isinstance(value, dict) else None
    # The meaning of 0 is not documented.
    is_known = isinstance(most, int) and not isinstance(most, bool) and 0 < most <= _HIGHEST_MAX_RESULTS
    return most if is_known else None


def plain_text(shown: Mapping[str, Any], field: str, whose: str) -> str:
    """Return a field that must be a printable, non-empty string. Raises BadResponse."""
    text = shown.get(field)
    if not isinstance(text, str) or not text or not is_plain(text):
        raise BadResponse(f"{whose} has no usable `{field}`")
    return text
