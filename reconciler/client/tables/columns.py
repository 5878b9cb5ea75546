"""A table's columns from its header, each with the columns it waits for.

A cell whose upstream cells are not done never starts [V], but is paid for. So when in doubt, a dependency is assumed:
one too many makes a cell blocked, one too few pays for a cell that stays empty.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from reconciler.client.http.lenient_json import Buffer, is_plain, parse, shown_text
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


class _Shown(Struct):
    """A column of a header; the rest of it means nothing here."""

    id: str
    config: Raw


_shown = msgspec.json.Decoder(list[_Shown])


@dataclass(frozen=True, slots=True)
class _Config:
    """All that a column's configuration says."""

    key: str
    kind: str
    name: str
    """Empty if there is none."""
    names: frozenset[str]
    """Every string that may name a column."""
    digest: str
    max_results: int | None


def read_columns(raw: Buffer | Raw, table_kind: str) -> tuple[Column, ...]:
    """Return the columns of a header's `columns` [D], as JSON; raises BadResponse.

    `table_kind` is the header's `kind`; with an unknown one, columns wait for the injected columns of every kind.
    Every string of a column's configuration counts as a prompt, and an escaped `{{key}}` as a reference.
    """
    try:
        shown = _shown.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return columns_of(parse(raw), table_kind)
    # Tables that were made from one template have the same configurations.
    return _columns(((each.id, _config_of(bytes(each.config))) for each in shown), table_kind)


def columns_of(shown: Any, table_kind: str) -> tuple[Column, ...]:
    """Return the columns of a header's `columns`, as plain values; otherwise as `read_columns`."""
    if not isinstance(shown, list):
        raise BadResponse("`columns` is not a list")
    return _columns(map(_identity, shown), table_kind)


def _columns(shown: Iterable[tuple[Any, _Config]], table_kind: str) -> tuple[Column, ...]:
    names = _Names({}, {})
    found = []
    for location, (id_, config) in enumerate(shown):
        column_id = as_uuid(id_)
        if column_id is None:
            raise BadResponse("a column's id is not a UUID")
        if column_id in names.places or config.key in names.by_key:
            raise BadResponse("two columns have the same id or the same key")
        names.by_key[config.key], names.places[column_id] = column_id, location
        found.append((column_id, config))
    built_in = _BUILT_IN.get(table_kind, _OF_ANY_KIND)
    return tuple(_column(column_id, config, built_in, names) for column_id, config in found)


def _identity(shown: Any) -> tuple[Any, _Config]:
    if not isinstance(shown, dict):
        raise BadResponse("a column is not an object")
    return shown.get("id"), _config(shown.get("config"))


@lru_cache(maxsize=256)
def _config_of(raw: bytes) -> _Config:
    return _config(parse(raw))


def _config(shown: Any) -> _Config:
    if not isinstance(shown, dict):
        raise BadResponse("a column has no `config` object")
    key, kind, name = plain_text(shown, "key", "a column"), plain_text(shown, "kind", "a column"), shown.get("name")
    try:
        return _Config(
            key=key,
            kind=kind,
            name=shown_text(name) if isinstance(name, str) and name else "",
            names=frozenset() if kind == INPUT_KIND else frozenset(_named(shown)),
            digest=digest({field: value for field, value in shown.items() if field != "name"}),
            max_results=_max_results(shown.get("value")) if kind == FINDER_KIND else None,
        )
    except (RecursionError, ValueError):
        reason = "a column's configuration is nested too deeply, or has a number that JSON cannot express"
    raise BadResponse(reason)


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


def _column(column_id: str, config: _Config, built_in: frozenset[str], names: _Names) -> Column:
    key, kind = config.key, config.kind
    is_built_in = kind != INPUT_KIND and (key in built_in or kind in _BUILT_IN["company"])
    written = names.ids(config.names)
    assumed = _implied(kind, is_built_in=is_built_in, built_in=built_in)
    implied = {names.by_key[each] for each in assumed if each in names.by_key} - written
    itself = {column_id}
    return Column(
        id=column_id,
        key=key,
        name=config.name or key,
        kind=kind,
        upstream=names.in_order((written | implied) - itself),
        config_digest=config.digest,
        implied=names.in_order(implied - itself),
        is_built_in=is_built_in,
        max_results=config.max_results,
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
