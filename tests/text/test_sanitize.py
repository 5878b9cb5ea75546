"""Texts from outside cannot move the cursor, end a line or turn it around."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.text.sanitize import LIMIT, one_line, spelled

# UAX #44 says how the property is made: of format characters and variation selectors but for those that are seen, and
# of a list of its own (Other_Default_Ignorable_Code_Point).
SEEN = {*"\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"}  # they hold a number
SEEN |= {chr(code) for code in range(0x13430, 0x13441)}  # they join hieroglyphs
OTHERS = {*"\u034f\u115f\u1160\u17b4\u17b5\u2065\u3164\uffa0"} | {
    chr(code) for code in (*range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000))
}
OTHERS |= {*"\u2800\U00016fe4\U0001d159"}  # blank, without being spaces


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]8;;http://evil\x1b\\link", "\\x1b]8;;http://evil\\x1b\\link"),
        ("a\nb\r\nc\td", r"a\x0ab\x0d\x0ac\x09d"),
        ("\x00\x7f\x85\x9b", r"\x00\x7f\x85\x9b"),
        ("\u202eevil\u202c \u2066x\u2069 \u200e\u200f\u061c", r"\u202eevil\u202c \u2066x\u2069 \u200e\u200f\u061c"),
        ("a\u200bb\u200dc\ufeff", r"a\u200bb\u200dc\ufeff"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\ud800 \udcff", r"\ud800 \udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("a\u2800b\U00016fe4\U0001d159", r"a\u2800b\U00016fe4\U0001d159"),
        ("Zürich · 東京 · Москва · القاهرة · हिन्दी · 🚀", "Zürich · 東京 · Москва · القاهرة · हिन्दी · 🚀"),
        ("", ""),
    ],
)
def test_unsafe_characters_are_spelled_out_and_letters_stay(text: str, shown: str) -> None:
    """Escapes, breaks, bidirectional and zero-width characters become visible; every script's letters stay."""
    assert one_line(text) == shown


def test_long_texts_are_cut() -> None:
    """A text of a megabyte takes a line, and one at the limit is whole."""
    assert one_line("x" * LIMIT) == "x" * LIMIT
    assert one_line("x" * 1_000_000) == "x" * LIMIT + "…"
    assert one_line("\x1b" * 1_000_000, limit=2) == r"\x1b\x1b…"


@given(st.text(st.characters()))
def test_nothing_unsafe_is_left(text: str) -> None:
    """Whatever comes in, what comes out can be printed and holds no control, format or separator character."""
    shown = one_line(text)
    shown.encode("utf-8")
    unsafe = {"Cc", "Zl", "Zp", "Cs"}
    assert not [character for character in shown if unicodedata.category(character) in unsafe]
    assert len(shown.splitlines()) <= 1
    assert unicodedata.bidirectional("\u202e") == "RLO"
    assert not {unicodedata.bidirectional(c) for c in shown} & {
        "RLO",
        "LRO",
        "RLE",
        "LRE",
        "PDF",
        "RLI",
        "LRI",
        "FSI",
        "PDI",
    }


def test_every_character_that_cannot_be_seen_is_spelled_out() -> None:
    """Whatever category it is of, so that two names that look alike are alike."""
    invisible = {
        each
        for each in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        or "VARIATION SELECTOR" in unicodedata.name(each, "")
    }
    changed = {each for each in map(chr, range(sys.maxunicode + 1)) if one_line(each) != each}
    assert changed == (invisible - SEEN) | OTHERS
    assert all(one_line(each) == spelled(each) for each in changed)
