"""A live table → the text of a manifest for it, safe whatever the table and its columns are called.

The text depends on the table's name, kind and columns alone and not on its cells, so that importing a table again gives
the same bytes for as long as nobody has changed the table's shape.

Names come from outside. In a comment they stand on one line, without anything that could end it; a key that is more
than plain text is named by its column's id instead.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.model.import_outcome import ImportOutcome
from reconciler.model.observed import Column, TableHeader
from reconciler.text.sanitize import one_line, spelled

LONGEST_NAME = 63
"""Characters of a manifest's name, by its schema."""
LONGEST_KEY = 200
"""Characters of a column's name in a manifest, by its schema."""
LONGEST_COMMENT = 80
MODELINE = "# yaml-language-server: $schema="
ADOPTING_RUN = "refresh"
"""The run of mode `all`."""
NAMELESS = "table"
"""What a table is called whose name has no letter or digit of ours."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
"""Texts that one YAML reader or another takes for something else; ours would not, but people's eyes do."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a manifest is to be written."""

    revision: str | None = None
    """With one, the manifest has a run of mode `all` at it: what is done was adopted at this revision."""
    fill: bool = False
    """The run that fills empty cells is switched on from the beginning."""


def fate(text: str | None, there: str | None, *, is_claimed_elsewhere: bool, force: bool) -> ImportOutcome:
    """Decide whether a manifest's `text` is written; `there` is what its file says now, None where there is none."""
    if is_claimed_elsewhere:
        return ImportOutcome.CLAIMED
    if text is None:
        return ImportOutcome.EMPTY
    if there is None or (force and there != text):
        return ImportOutcome.WRITTEN
    return ImportOutcome.UNCHANGED if there == text else ImportOutcome.KEPT


def names(headers: Sequence[TableHeader], is_taken: Callable[[str], bool]) -> dict[str, str]:
    """Return a manifest's name for each table, by table id.

    Made from the table's name; where that is not free, or two of the tables share it, with as much of the id as makes
    it unique, so that no name depends on the order of the tables.
    """
    slugs = {header.id: slug(header.name) for header in headers}
    sharing = Counter(slugs.values())
    found: dict[str, str] = {}
    given: set[str] = set()
    for identity, name in sorted(slugs.items()):
        candidates = _candidates(name, identity, is_shared=sharing[name] > 1)
        found[identity] = next(each for each in candidates if each not in given and not is_taken(each))
        given.add(found[identity])
    return found


def _candidates(name: str, identity: str, *, is_shared: bool) -> Iterator[str]:
    if not is_shared:
        yield name
    digits = identity.replace("-", "")
    for length in (8, 12, 32):
        yield f"{name[: LONGEST_NAME - length - 1].rstrip('-')}-{digits[:length]}"
    for number in range(2, 1_000_000):
        yield f"{NAMELESS}-{digits}-{number}"


def slug(name: str) -> str:
    """Return a table's name as a manifest's: `Série A · 2026` is `serie-a-2026`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_NAME].strip("-") or NAMELESS


def manifest_text(header: TableHeader, name: str, wish: ImportOptions, schema: str | None = None) -> str | None:
    """Return a manifest for a table, or None if it lists no column; `schema` is where editors find its schema.

    What the service fills by itself is left out, and a column of an unknown kind is only named in a comment. As it is
    written it never runs a cell that nobody ran before, unless the wish says so: that may be most of a table.
    """
    if not listed(header.columns):
        return None
    left_out = ", ".join(_quoted(column.key) for column in header.columns if column.is_built_in)
    ids = frozenset(column.id for column in header.columns)
    columns = [_column(column, ids) for column in header.columns if not (column.is_input or column.is_built_in)]
    lines = [] if schema is None else [f"{MODELINE}{schema}"]
    lines += [
        f"# Table {_quoted(header.name)}, of kind {_quoted(header.kind)}.",
        "# Written by `reconciler import`, which will not touch it again without --force: edit it as you like.",
        *([f"# Left out, because the service fills them by itself: {left_out}."] if left_out else []),
        "apiVersion: reconciler/v1",
        "kind: TableRun",
        "metadata:",
        f"  name: {_scalar(name)}",
        "spec:",
        f"  table: https://app.extruct.ai/tables/{header.id}",
        "  runs:",
    ]
    if wish.revision is not None:
        lines += _all(columns, wish.revision)
    lines += _retry(columns)
    lines += _fill(columns, is_on=wish.fill or wish.revision is not None)
    return "\n".join(lines) + "\n"


def _all(columns: Sequence[str], revision: str) -> list[str]:
    return [
        "    # Every cell once per revision. What was done at the import counts as run at this one; the next plan buys",
        "    # the rest, and a new revision buys every cell again.",
        f"    - name: {ADOPTING_RUN}",
        "      mode: all",
        f"      revision: {_scalar(revision)}",
        "      columns:",
        *columns,
    ]


def _retry(columns: Sequence[str]) -> list[str]:
    return [
        "    # Tries failed cells again, each three times at most.",
        "    - name: retry",
        "      mode: failed",
        "      max_attempts: 3",
        "      columns:",
        *columns,
    ]


def _fill(columns: Sequence[str], *, is_on: bool) -> list[str]:
    run = ["    - name: fill", "      mode: new", "      columns:", *columns]
    if is_on:
        return ["    # Runs every cell that has no value, also of rows that are added later.", *run]
    return [
        "    # Runs every cell that has no value, also of rows that are added later. In a table that was run by hand",
        "    # that may be most of the cells, so it is switched off. To switch it on, take the `# ` of the lines below",
        "    # away, keep the columns you want filled, and look at `reconciler plan` before you apply it.",
        *("    # " + line[4:] for line in run),
    ]


def listed(columns: Iterable[Column]) -> list[Column]:
    """Return the columns that a manifest lists: those that a run without `columns` would mean."""
    return [column for column in columns if column.is_meant_by_silence]


def _column(column: Column, ids: frozenset[str]) -> str:
    """Return a column's line: what names it, and its kind and name as a comment; wholly one for an unknown kind.

    `ids` are those of all the table's columns.
    """
    key = column.key
    is_usable = bool(key) and key.isprintable() and one_line(key, LONGEST_KEY) == key and key.lower() not in ids
    text = _scalar(key if is_usable else column.id)
    note = clean_comment(column.kind)
    if not is_usable:
        note += f", key {_quoted(key)}"
    if column.name != key:
        note += f", {_quoted(column.name)}"
    if not column.is_meant_by_silence:
        return f"        # - {text}  # of unknown kind: {note}"
    return f"        - {text}  # {note}"


def clean_comment(text: str) -> str:
    """Return text from outside as a comment may hold it: short, on one line, nothing that a YAML reader refuses.

    A blank that is no plain space is spelled out, as whatever else would look like something that it is not.
    """
    return "".join(each if each.isprintable() else spelled(each) for each in one_line(text, LONGEST_COMMENT))


def _quoted(text: str) -> str:
    """Quotes say where a name from outside begins: it cannot pass for an editor's modeline."""
    return f'"{clean_comment(text)}"'


def _scalar(text: str) -> str:
    """Return a printable text as YAML that every reader takes for this very text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", text):
        return text
    return json.dumps(text, ensure_ascii=False)
