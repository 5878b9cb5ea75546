"""A table becomes the text of a manifest, whatever it and its columns are called."""

import re
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests import from_table
from reconciler.manifests.from_table import ImportOptions, import_outcome
from reconciler.manifests.loader import load_manifests
from reconciler.model.import_outcome import ImportOutcome
from reconciler.model.manifest import Manifest, Mode
from reconciler.model.observed import Column, TableHeader
from reconciler.text.addresses import table_id
from reconciler.text.sanitize import spelled

TABLE = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"
HOSTILE = st.sampled_from(
    [
        *("on", "No", "~", "null", "true", "012", "1e3", "2026-01-01", "12:30:00", "a: b", "#x", "- a", "? a"),
        *("&a", "*a", "!t", "%x", "@x", "`x`", "{a}", "[a]", "'", '"', "\\", '"\\n', "---", "...", ": ", " #", "|"),
        *("\t", "a\nb", "\r\n- mode: all", "\x00", "\x1b[2J", "\x85", "\u2028x", "\u202eabc", "\ufeff", "\ufffe"),
        *("\ud800", "x" * 201, " lead", "trail ", "ключ", "名前", "👍", "\U000e0041", TABLE, TABLE.upper()),
        "yaml-language-server: $schema=x",
    ]
)
NAMES = HOSTILE | st.text(min_size=1, max_size=30) | st.tuples(HOSTILE, HOSTILE).map("".join)


@st.composite
def headers(draw: st.DrawFn) -> TableHeader:
    """Return a table with names from the worst of neighbourhoods."""
    keys = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    ids = [str(uuid.UUID(int=number)) for number in range(1, len(keys) + 1)]
    keys = [draw(st.sampled_from([key, *ids])) for key in keys]
    columns = [
        Column(
            identity,
            key,
            draw(NAMES),
            draw(NAMES | st.just("agent")),
            (),
            "sha256:0",
            is_built_in=draw(st.integers(0, 3)) == 0,
        )
        for identity, key in zip(ids, keys, strict=True)
        if key not in keys[: ids.index(identity)]
    ]
    return TableHeader(TABLE, draw(NAMES), draw(NAMES), tuple(columns))


def loaded(folder: Path, text: str) -> Manifest:
    """Return the one manifest in a text, by the program's own loader."""
    path = folder / "manifest.yaml"
    path.write_text(text, encoding="utf-8")
    (manifest,) = load_manifests([path])
    return manifest


def named(header: TableHeader, manifest: Manifest, run: str) -> list[str]:
    """Return the ids of the columns that a run names, as the planner would resolve them."""
    by_id = {column.id: column.id for column in header.columns}
    by_key = {column.key: column.id for column in header.columns}
    columns = next(each for each in manifest.runs if each.name == run).columns or ()
    return [by_id.get(column.text.lower()) or by_key[column.text] for column in columns]


@given(headers(), st.booleans(), st.none() | st.sampled_from(["2026-q4", "on", '"', "#", "~", "\\n"]))
def test_every_table_becomes_a_valid_manifest(
    tmp_path: Path, header: TableHeader, fill: bool, revision: str | None
) -> None:
    """It lists every column that silence means, and nothing that a name smuggled in."""
    text = from_table.manifest_text(
        header, from_table.slug(header.name), ImportOptions(revision, fill), "../schemas/x.json"
    )
    outputs = [column.id for column in header.columns if column.is_meant_by_silence]
    if text is None:
        assert outputs == []
        return
    manifest = loaded(tmp_path, text)
    assert manifest.table_id == TABLE
    expected = (["refresh"] if revision else []) + ["retry"] + (["fill"] if fill or revision else [])
    assert [run.name for run in manifest.runs] == expected
    assert all(named(header, manifest, run) == outputs for run in expected)
    assert [run.revision for run in manifest.runs if run.mode is Mode.ALL] == ([revision] if revision else [])
    assert sum(line.lstrip().startswith("# yaml-language-server") for line in text.splitlines()) == 1
    assert all(character == "\n" or character.isprintable() for character in text)


@given(headers())
def test_the_run_that_is_switched_off_is_the_one_that_would_be_on(header: TableHeader) -> None:
    """Taking the `# ` of its lines away gives the manifest that `--fill` writes, but for what it explains."""
    off = from_table.manifest_text(header, "name", ImportOptions())
    on = from_table.manifest_text(header, "name", ImportOptions(fill=True))
    if off is None or on is None:
        return
    start = off.index("    # - name: fill")
    uncommented = off[:start] + re.sub(r"(?m)^    # ", "    ", off[start:])
    tail = "    - name: fill\n"
    assert uncommented[uncommented.index(tail) :] == on[on.index(tail) :]


def test_a_manifest_says_kind_and_name_of_every_column() -> None:
    """In the table's order, without inputs and what the service fills by itself; unknown kinds in a comment."""
    columns = (
        Column(str(uuid.UUID(int=1)), "site", "Site", "input", (), ""),
        Column(str(uuid.UUID(int=2)), "zeta", "Zeta", "agent", (), ""),
        Column(str(uuid.UUID(int=3)), "on", "on", "email_finder", (), ""),
        Column(str(uuid.UUID(int=4)), "bad\nkey", "Bad", "agent", (), ""),
        Column(str(uuid.UUID(int=5)), "company_name", "Company Name", "agent", (), "", is_built_in=True),
        Column(str(uuid.UUID(int=6)), "fit", "Fit", "score\n- x", (), ""),
    )
    text = from_table.manifest_text(TableHeader(TABLE, "Näme", "company", columns), "name", ImportOptions()) or ""
    assert [line for line in text.splitlines() if line.startswith("        - ")] == [
        '        - zeta  # agent, "Zeta"',
        '        - "on"  # email_finder',
        f'        - "{uuid.UUID(int=4)}"  # agent, key "bad\\x0akey", "Bad"',
    ]
    assert [line for line in text.splitlines() if line.startswith("        # - ")] == [
        '        # - fit  # of unknown kind: score\\x0a- x, "Fit"'
    ]
    assert '# Table "Näme", of kind "company".' in text
    assert '# Left out, because the service fills them by itself: "company_name".' in text


@pytest.mark.parametrize("blank", ["\xa0", "\u2009", "\u3000"])
def test_a_blank_that_is_not_a_space_is_shown(blank: str) -> None:
    """Else a comment would name a key that the table does not have, and look right."""
    column = Column(str(uuid.UUID(int=2)), f"deal{blank}size", "Size", "agent", (), "")
    text = (
        from_table.manifest_text(TableHeader(TABLE, f"A{blank}B", "company", (column,)), "name", ImportOptions()) or ""
    )
    escape = spelled(blank)
    assert f'- "{column.id}"  # agent, key "deal{escape}size", "Size"' in text
    assert f'# Table "A{escape}B"' in text


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Target Accounts", "target-accounts"), ("Série A · 2026", "serie-a-2026"), ("名前", "table"), ("--", "table")],
)
def test_a_manifest_is_called_like_its_table(name: str, slug: str) -> None:
    """As far as a manifest's name allows."""
    assert from_table.slug(name) == slug


@given(st.lists(st.text(max_size=80), max_size=8), st.sets(st.integers(0, 7)))
def test_names_are_valid_unique_and_free_of_order(texts: list[str], taken: set[int]) -> None:
    """A table's name does not depend on which others are imported before it."""
    tables = [TableHeader(str(uuid.UUID(int=n + 2**100)), text, "", ()) for n, text in enumerate(texts)]
    occupied = {from_table.slug(texts[n]) for n in taken if n < len(texts)}
    names = from_table.names(tables, occupied.__contains__)
    assert len(set(names.values())) == len(tables)
    assert not occupied.intersection(names.values())
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= 63 for name in names.values())
    assert from_table.names(tables[::-1], occupied.__contains__) == names


def test_tables_that_share_a_name_are_told_apart_by_their_ids() -> None:
    """All of them, so that none is called by the bare name by chance."""
    tables = [TableHeader(f"{digit * 8}-0000-4000-8000-000000000000", "Leads", "", ()) for digit in "12"]
    assert list(from_table.names(tables, lambda name: False).values()) == ["leads-11111111", "leads-22222222"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (TABLE, True),
        (TABLE.upper(), True),
        (f"https://app.extruct.ai/tables/{TABLE}", True),
        (f"https://app.extruct.ai/tables/{TABLE}/?view=1#a", True),
        (f"https://evil.example/tables/{TABLE}", False),
        (f"../{TABLE}", False),
        ("accounts", False),
    ],
)
def test_a_table_is_named_by_id_or_url(text: str, found: bool) -> None:
    """Anything else is not guessed at."""
    assert table_id(text) == (TABLE if found else None)


@pytest.mark.parametrize(
    ("text", "there", "elsewhere", "force", "expected"),
    [
        ("new", None, False, False, ImportOutcome.WRITTEN),
        ("new", "new", False, False, ImportOutcome.UNCHANGED),
        ("new", "new", False, True, ImportOutcome.UNCHANGED),
        ("new", "edited", False, False, ImportOutcome.KEPT),
        ("new", "edited", False, True, ImportOutcome.WRITTEN),
        ("new", None, True, True, ImportOutcome.CLAIMED),
        (None, None, False, True, ImportOutcome.EMPTY),
    ],
)
def test_what_is_there_is_only_replaced_by_force(
    text: str | None, there: str | None, elsewhere: bool, force: bool, expected: ImportOutcome
) -> None:
    """And what others wrote about the table not even then."""
    assert import_outcome(text, there, is_claimed_elsewhere=elsewhere, force=force) is expected
