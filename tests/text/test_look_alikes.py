"""Names that cannot be told apart by looking: what was meant is told with the escapes of what is different about it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests import json_schema
from reconciler.manifests.yaml_reader import parse
from reconciler.text.phrases import did_you_mean, quote
from tests.example_counts import examples


@pytest.mark.parametrize(
    ("written", "meant", "shown", "told"),
    [
        ("latest funding", "latest\u00a0funding", r"latest funding", r"latest\xa0funding"),
        ("latest\u00a0funding", "latest funding", r"latest\xa0funding", r"latest funding"),
        ("latest\u2009funding", "latest\u202ffunding", r"latest\u2009funding", r"latest\u202ffunding"),
        ("café", "cafe\u0301", r"caf\xe9", r"cafe\u0301"),
        ("cafe\u0301s", "cafés", r"cafe\u0301s", r"caf\xe9s"),
        ("éé", "e\u0301e\u0301", r"\xe9\xe9", r"e\u0301e\u0301"),
        ("각", "\u1100\u1161\u11a8", r"\uac01", r"\u1100\u1161\u11a8"),
        ("news\u200b", "news", r"news\u200b", r"news"),
        ("ne\u00adws", "\ufeffnews", r"ne\xadws", r"\ufeffnews"),
        ("ne\u3164ws", "news\ufe0f", r"ne\u3164ws", r"news\ufe0f"),
        ("n\u0435ws", "news", r"n\u0435ws", r"news"),
        ("сос", "coc", r"\u0441\u043e\u0441", r"coc"),
        ("Ο", "O", r"\u039f", r"O"),
        ("a–b", "a-b", r"a\u2013b", r"a-b"),
        ("it’s", "it's", r"it\u2019s", r"it's"),
        ("ｎews", "news", r"\uff4eews", r"news"),
        ("news ", "news", r"news\x20", r"news"),
        ("a  b", "a b", r"a \x20b", r"a b"),
        ("Zürich 東京\u00a0x", "Zürich 東京 x", r"Zürich 東京\xa0x", "Zürich 東京 x"),
        ("x" * 90 + "\u00a0y", "x" * 90 + " y", "…" + "x" * 30 + r"\xa0y", "…" + "x" * 30 + " y"),
        ("\u00a0" + "x" * 90, " " + "x" * 90, r"\xa0" + "x" * 30 + "…", " " + "x" * 30 + "…"),
    ],
)
def test_what_sets_two_names_apart_is_shown(written: str, meant: str, shown: str, told: str) -> None:
    """Only the characters that differ are escaped; what was written is told again if its quotation does not show it."""
    said = did_you_mean(written, ["other", "neews", meant])
    again = "" if quote(written) == f"`{shown}`" else f" It looks the same, but this is `{shown}`"
    assert said == f"; did you mean `{told}`?{again}"
    assert "\\" in said or written == "news\u200b"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("nwes", "news"),
        ("News", "news"),
        ("Munchen", "München"),
        ("новости", "новость"),
        ("latest_fund", "latest fund"),
    ],
)
def test_what_is_seen_is_shown_as_it_is(written: str, meant: str) -> None:
    """Another letter, case or accent needs no escapes."""
    assert did_you_mean(written, [meant]) == f"; did you mean `{meant}`?"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"]), min_size=1, max_size=40))
def test_an_escape_is_what_yaml_reads(name: str) -> None:
    """Of two spellings of one name, each can be copied from the message into double quotes."""
    composed, apart = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
    if composed == apart or {"\\", '"', "`"} & set(name):
        return
    said = did_you_mean(composed, [apart])
    told = [value.strip("…") for text in said.split("`")[1::2] for value in values(text)]
    assert all(value in name for value, name in zip(told, (apart, composed), strict=False))
    assert said.isascii() or "\\" in said


def values(text: str) -> list[str]:
    """Return what YAML reads in double quotes."""
    return [str(document.value) for document in parse(f'"{text}"'.encode(), "f.yaml")]


def test_many_names_are_compared_at_once() -> None:
    """A workspace of thousands does not keep anybody waiting."""
    names = [f"Zürich\u00a0{number}" for number in range(examples(20_000))]
    assert did_you_mean("Zürich 77", names) == r"; did you mean `Zürich\xa077`?"


def test_keys_and_choices_of_a_manifest_show_it_too() -> None:
    """A no-break space out of a web page, before a key and in a word."""
    value = {"apiVersion": "reconciler/v1", "kind": "TableRun", "metadata": {"name": "a"}}
    run = {"mode": "new\u00a0"}
    said = json_schema.problems("manifest", {**value, "spec": {"t\u0430ble": "x", "runs": [run]}})
    assert sorted({problem.message for problem in said}) == [
        r"spec.runs[0].mode is `new" + "\u00a0" + r"`; did you mean `new`? It looks the same, but this is `new\xa0`",
        "unknown key `t\u0430ble` in spec; did you mean `table`? It looks the same, but this is `t\\u0430ble`",
    ]
