"""Snapshots from elsewhere: what was edited, cut, blown up, of other types or signed by another is refused, cheaply."""

import json
import resource
import time
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.documents.snapshot_file import MAX_BYTES, decode, encode
from reconciler.errors import SettingsError
from reconciler.model.history import Block, CallState, TableHistory
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.text.digest import canonical_json
from tests.example_counts import examples
from tests.planning.tables_and_manifests import TABLE, a_column, a_past_call, a_table, column_id, row_id

KEY = b"k" * 32
CONDITION = "c" * 32


def a_snapshot() -> LiveSnapshot:
    """Return a small snapshot with every kind of content."""
    table = a_table([a_column(1, 2), a_column(2), a_column(3, kind="input")], ["d.f", "ddd"], missing=[1])
    call = a_past_call(CallState.ACCEPTED, [Block((column_id(1),), (row_id(0), row_id(9)))], before={})
    table = replace(table, matches={CONDITION: b"\1\0\1"})
    history = TableHistory(TABLE, 1, (call,))
    gone = TABLE.replace("0", "1")
    return LiveSnapshot(
        "2026-01-01T00:00:00Z", "1.0.0", "https://x", {TABLE: table}, {TABLE: history}, {gone: ("a", "b")}
    )


def made(content: Any, **header: Any) -> bytes:
    """Return an unsigned file of any content, whose digest is right."""
    packed = content if isinstance(content, bytes) else zlib.compress(msgspec.msgpack.encode(content))
    told = {**json.loads(encode(a_snapshot(), None).partition(b"\n")[0]), "signature": None, **header}
    counted = {name: value for name, value in told.items() if name not in ("digest", "signature")}
    told["digest"] = "sha256:" + sha256(canonical_json(counted) + b"\n" + packed).hexdigest()
    return json.dumps(told).encode() + b"\n" + packed


def contents() -> Any:
    """Return the content of the small snapshot as plain values."""
    return msgspec.msgpack.decode(zlib.decompress(encode(a_snapshot(), None).partition(b"\n")[2]))


def test_a_snapshot_reads_back() -> None:
    """Signed and checked, signed and not checked, not signed."""
    expected = a_snapshot()
    for key, given_key, verified in ((KEY, KEY, True), (KEY, None, False), (None, None, False)):
        found = decode(encode(expected, key), given_key)
        assert (found.snapshots, found.histories) == (expected.snapshots, expected.histories)
        assert dict(found.unreadable) == dict(expected.unreadable)
        assert found.verified is verified


@pytest.mark.parametrize("key", [None, b"another key" * 4])
def test_another_signature_is_refused_where_there_is_a_key(key: bytes | None) -> None:
    """None at all too: else a forger would just leave it out."""
    with pytest.raises(SettingsError, match=r"not signed|not that of RECONCILER_SNAPSHOT_KEY"):
        decode(encode(a_snapshot(), key), KEY)


@settings(max_examples=examples(500))
@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255), st.sampled_from([KEY, None]))
def test_no_byte_can_be_changed(at: int, by: int, key: bytes | None) -> None:
    """With the key or without: a changed file is not taken for a snapshot, or says the same."""
    data = bytearray(encode(a_snapshot(), KEY))
    data[at % len(data)] ^= by
    try:
        found = decode(bytes(data), key)
    except SettingsError:
        return
    assert key is None or found.snapshots == a_snapshot().snapshots
    assert found.snapshots == a_snapshot().snapshots
    assert found.taken_at == a_snapshot().taken_at


@settings(max_examples=200)
@given(st.integers(min_value=0, max_value=2000), st.binary(max_size=20))
def test_a_part_or_more_than_the_whole_is_refused(length: int, more: bytes) -> None:
    """Cut off anywhere, or with something behind it."""
    data = encode(a_snapshot(), KEY)
    for changed in (data[: length % len(data)], data + more + b"x"):
        with pytest.raises(SettingsError, match="the snapshot cannot be used"):
            decode(changed, KEY)


@settings(max_examples=examples(500))
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    """Nothing but a SettingsError comes of them, also behind a right first line."""
    with pytest.raises(SettingsError, match="the snapshot cannot be used"):
        decode(data, None)
    with pytest.raises(SettingsError, match="the snapshot cannot be used"):
        decode(made(data), None)
    with pytest.raises(SettingsError, match="the snapshot cannot be used"):
        decode(made(zlib.compress(data)), None)


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    """Half a gigabyte of zeros in a few megabytes is unpacked no further than the bound."""
    bomb = zlib.compress(bytes(4 * MAX_BYTES), 1)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(SettingsError, match="it holds more than 128 MiB"):
        decode(made(bomb), None)
    assert time.monotonic() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 3 * MAX_BYTES / 1024


def test_deep_nesting_is_refused() -> None:
    """A hundred thousand lists inside one another do not crash the interpreter."""
    with pytest.raises(SettingsError, match="the snapshot cannot be used"):
        decode(made(zlib.compress(b"\x91" * 100_000)), None)
    with pytest.raises(SettingsError, match="the snapshot cannot be used"):
        decode(b"[" * 4000 + b"\n", None)


TABLES, UNREADABLE, SUMS = 0, 1, 3
ID, KIND, STATUS, IN_PROGRESS, COLUMNS, ROWS, IDS, MISSING, STATES, VERSION, CALLS = 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
MATCHES = 12
WRONG: dict[str, tuple[tuple[Any, ...], Any]] = {
    "tables are no list": ((TABLES,), 5),
    "a table id that is a path": ((TABLES, 0, ID), "../../admin"),
    "a status of another type": ((TABLES, 0, STATUS), 7),
    "cells in progress below none": ((TABLES, 0, IN_PROGRESS), -1),
    "a column without a digest": ((TABLES, 0, COLUMNS, 0, 5), "md5:1"),
    "a column id that is none": ((TABLES, 0, COLUMNS, 0, 0), "x"),
    "two columns of one id": ((TABLES, 0, COLUMNS, 0, 0), column_id(2)),
    "an input that became an output": ((TABLES, 0, COLUMNS, 2, 3), "agent"),
    "more rows than ids": ((TABLES, 0, ROWS), 5),
    "fewer rows than states": ((TABLES, 0, ROWS), 2),
    "a number of rows that is none": ((TABLES, 0, ROWS), 2**60),
    "ids cut off": ((TABLES, 0, IDS), b"x" * 47),
    "one row twice": ((TABLES, 0, IDS), b"x" * 64),
    "a flag that is neither yes nor no": ((TABLES, 0, MISSING), b"\0\x40\0"),
    "flags for other rows": ((TABLES, 0, MISSING), b"\0"),
    "an unknown state": ((TABLES, 0, STATES, 0), b"\0\x08\0"),
    "a state with the facts' bits": ((TABLES, 0, STATES, 0), b"\0\x80\0"),
    "states that are text": ((TABLES, 0, STATES, 0), "..."),
    "a condition that has no name": ((TABLES, 0, MATCHES), {"x": b"\xa0"}),
    "bits that are a number": ((TABLES, 0, MATCHES, CONDITION), 5),
    "bits for more rows": ((TABLES, 0, MATCHES, CONDITION), b"\0\5"),
    "bits for fewer rows": ((TABLES, 0, MATCHES, CONDITION), b""),
    "bits beyond the last row": ((TABLES, 0, MATCHES, CONDITION), b"\x0d"),
    "a version that is none": ((TABLES, 0, VERSION), "1"),
    "an unknown mode": ((TABLES, 0, CALLS, 0, 1), "some"),
    "a state of a call that bought nothing": ((TABLES, 0, CALLS, 0, 3), "refused"),
    "an age that is not a number": ((TABLES, 0, CALLS, 0, 8), float("nan")),
    "an age without end": ((TABLES, 0, CALLS, 0, 8), float("inf")),
    "unknown rows": ((TABLES, 0, CALLS, 0, 6, 0, 1), b"\xff\xff\xff\xff"),
    "rows cut off": ((TABLES, 0, CALLS, 0, 6, 0, 1), b"\0\0\0"),
    "credits that are no number": ((TABLES, 0, CALLS, 0, 10), "1e999999"),
    "sums of no time": ((SUMS,), [float("nan"), {}, {}]),
    "sums of a table that is a path": ((SUMS,), [0.0, {"../x": []}, {}]),
    "a sum that is a text": ((SUMS,), [0.0, {}, {"": [[1, "5", 0, 0]]}]),
    "what was said of a table that is there": ((UNREADABLE,), {TABLE: ("a", "b")}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_no_live_table_shows_is_refused(name: str) -> None:
    """A right digest makes nothing right."""
    content = contents()
    path, value = WRONG[name]
    at = content
    for step in path[:-1]:
        at = at[step]
    assert at[path[-1]] != value
    at[path[-1]] = value
    with pytest.raises(SettingsError, match="the snapshot cannot be used"):
        decode(made(content), None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "something else"),
        ("format_version", "2.0"),
        ("taken_at", "yesterday"),
        ("taken_at", None),
        ("taken_at", "2026-02-30T00:00:00Z"),
        ("tables", -1),
        ("base_url", 5),
        ("signature", "none"),
    ],
)
def test_a_first_line_of_another_kind_is_refused(name: str, value: Any) -> None:
    """Another major version too."""
    with pytest.raises(SettingsError, match="the snapshot cannot be used"):
        decode(made(contents(), **{name: value}), None)


def test_a_file_from_before_there_were_conditions_and_calendars_is_read_as_ever() -> None:
    """It holds no condition, and its ages are as of when it was taken."""
    content = contents()
    del content[TABLES][0][MATCHES:]
    found = decode(made(content), None)
    assert found.snapshots[TABLE].matches == {}
    assert found.histories[TABLE].recalled_at == datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_conditions_take_no_more_room_than_cells() -> None:
    """A bit on disk is a byte in memory, so they are counted before they are unpacked."""
    content = contents()
    rows = 2**20
    content[TABLES][0][ROWS], content[TABLES][0][IDS] = rows, bytes(16 * rows)
    content[TABLES][0][MATCHES] = {f"{number:032x}": bytes(rows // 8) for number in range(129)}
    began = time.monotonic()
    with pytest.raises(SettingsError, match="it holds more than 128 MiB"):
        decode(made(content), None)
    assert time.monotonic() - began < 10


def test_a_table_twice_is_refused() -> None:
    """Whichever came last would win."""
    content = contents()
    content[TABLES] *= 2
    with pytest.raises(SettingsError, match="twice"):
        decode(made(content), None)
