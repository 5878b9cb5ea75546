"""A live table → the text of a manifest for it, safe whatever the names of the table and its columns.

The text depends only on the table's name, kind and columns, not on its cells, so importing a table again gives the same
bytes until the table's shape changes.

Names come from outside. In a comment they are on one line, without anything that could end it; a column whose key is
not plain text is named by its id instead.
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
"""The name for a table whose own name has no usable letter or digit."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
"""Texts that some YAML readers, and people, take for something else; our reader does not."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options for writing a manifest."""

    revision: str | None = None
    """If set, the manifest has a run of mode `all` at this revision, at which done cells were adopted."""
    fill: bool = False
    """True to switch the run that fills empty cells on from the start."""


def import_outcome(text: str | None, there: str | None, *, is_claimed_elsewhere: bool, force: bool) -> ImportOutcome:
    """Decide whether a manifest's `text` is written; `there` is its file's current text, None if there is none."""
    if is_claimed_elsewhere:
        return ImportOutcome.CLAIMED
    if text is None:
        return ImportOutcome.EMPTY
    if there is None or (force and there != text):
        return ImportOutcome.WRITTEN
    return ImportOutcome.UNCHANGED if there == text else ImportOutcome.KEPT


def names(headers: Sequence[TableHeader], is_taken: Callable[[str], bool]) -> dict[str, str]:
    """Return a manifest's name for each table, by table id.

    Made from the table's name. If that is taken, or two of the tables share it, enough of the id is added to make it
    unique, so that no name depends on the order of the tables.
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
    """Return a manifest's name for a table's name: `serie-a-2026` for `Série A · 2026`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_NAME].strip("-") or NAMELESS


def manifest_text(header: TableHeader, name: str, options: ImportOptions, schema: str | None = None) -> str | None:
    """Return a manifest for a table, or None if it lists no column; `schema` is where editors find its schema.

    Columns that the service fills by itself are left out, and a column of an unknown kind is only a comment. Unless
    `options` say so, the manifest runs no cell that was never run before, which may be most of a table.
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
    if options.revision is not None:
        lines += _all(columns, options.revision)
    lines += _retry(columns)
    lines += _fill(columns, is_on=options.fill or options.revision is not None)
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
    """Return the columns that a manifest lists: those of a run without `columns`."""
    return [column for column in columns if column.is_meant_by_silence]


def _column(column: Column, ids: frozenset[str]) -> str:
    """Return a column's line: its key or id, with its kind and name as a comment. All of it is one for an unknown kind.

    `ids` are the ids of all the table's columns.
    """
    key = column.key
    is_usable = bool(key) and len(key) <= LONGEST_KEY and key.isprintable() and key.lower() not in ids
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
    """Return text from outside for use in a comment: short, on one line, with nothing that a YAML reader refuses.

    Whitespace other than a plain space is escaped, like every other character that could be mistaken.
    """
    return "".join(each if each.isprintable() else spelled(each) for each in one_line(text, LONGEST_COMMENT))


def _quoted(text: str) -> str:
    """Return a name from outside in quotes, so that it cannot pass for an editor's modeline."""
    return f'"{clean_comment(text)}"'


def _scalar(text: str) -> str:
    """Return a printable text as YAML that every reader reads as exactly this text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", text):
        return text
    return json.dumps(text, ensure_ascii=False)
