"""Blanks between the values of a file: read as YAML 1.2 means it, or refused with its place."""

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ManifestError
from reconciler.manifests.yaml_reader import FAST, MAX_BYTES, PURE, Loader, parse

BOTH = pytest.mark.parametrize("loader", [FAST, PURE])


def read(text: str, loader: Loader = FAST) -> object:
    """Return the value of the only document of a text."""
    [document] = parse(text.encode(), "f.yaml", loader)
    return document.value


def places(text: str, loader: Loader = FAST) -> list[tuple[int, int]]:
    """Return line and column of everything that is wrong with a text."""
    with pytest.raises(ManifestError) as caught:
        parse(text.encode(), "f.yaml", loader)
    return [(problem.location.line, problem.location.column) for problem in caught.value.problems]


@BOTH
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a:\tb", {"a": "b"}),
        ("a: \t b", {"a": "b"}),
        ("a :\tb", {"a": "b"}),
        ('"a"\t:\t"b"', {"a": "b"}),
        ("a: b\t\nc: d \t \n", {"a": "b", "c": "d"}),
        ("a:\t\n  b: c", {"a": {"b": "c"}}),
        ("a:\t\n- b\t\n-\t\n  c\n", {"a": ["b", "c"]}),
        ("a: b\t# c\nd: 1\t#\te\n", {"a": "b", "d": 1}),
        ("- a:\tb\n  c:\td\n", [{"a": "b", "c": "d"}]),
        ("a: [b,\tc\t,d\t]\t", {"a": ["b", "c", "d"]}),
        ("a: {b:\tc,\td: e\t}", {"a": {"b": "c", "d": "e"}}),
        ("a:\n-\t# b\n  c\n", {"a": ["c"]}),
        ("---\ta", "a"),
        ("---\t# b\na: 1", {"a": 1}),
        ("a:\t|\n  b\n", {"a": "b\n"}),
        ("a: &b\tc\nd:\t*b\t\n", {"a": "c", "d": "c"}),
        ("a: 1\n\t\nb: 2", {"a": 1, "b": 2}),
        ("\t\n \t\na: 1", {"a": 1}),
        ("a:\n\t# b\n \t \t# c\n  d: 1\n\t", {"a": {"d": 1}}),
        ("a: [\n\t\n  b\n\t# c\n  ]", {"a": ["b"]}),
        ("a: 1\r\n\t\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("{\n\t\"a\": [\n\t\t1\n\t]\n}", {"a": [1]}),
        ("[\n\ta,\n \tb\n]", ["a", "b"]),
        ("a: [\n \tb,\n  \tc ]", {"a": ["b", "c"]}),
        ("- - [\n   \tb ]", [[["b"]]]),
    ],
)  # fmt: skip
def test_a_tab_that_yaml_allows_is_read(text: str, value: object, loader: Loader) -> None:
    """Behind a colon or a comma, before a comment, at the end of a line, and behind an indentation of spaces."""
    assert read(text, loader) == value


@BOTH
@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("\ta: 1", (1, 1)),
        ("a:\n\tb: 1", (2, 1)),
        ("a:\n  b: 1\n\tc: 1", (3, 1)),
        ("a:\n\t- b", (2, 1)),
        ("-\t- a", (1, 2)),
        ("-\ta: b", (1, 2)),
        ("a: [\n\tb ]", (2, 1)),
        ("a: [\n\t]", (2, 1)),
        ("a:\n  - {\n  \tb: c}", (3, 3)),
        ("a: 1\n\t\nb: 2\n\tc: 3", (4, 1)),
    ],
)
def test_a_tab_that_indents_is_refused(text: str, location: tuple[int, int], loader: Loader) -> None:
    """In `[]` and `{}` too, if they stand in a block: its spaces come first."""
    assert places(text, loader)[0] == location


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\ta: 1", "YAML is indented with spaces"),
        ("a: |\n\tb", "YAML is indented with spaces"),
        ("a:\n  -\tb", "write a space instead"),
        ("? a\n:\tb", "write a space instead"),
        ("a: |\n  \tb", "if the text itself begins with a tab, write it in double quotes as `\\t`"),
    ],
)
def test_a_tab_that_is_refused_is_told_what_it_is(text: str, words: str) -> None:
    """Not each of them indents something: what to write instead depends on where it stands."""
    with pytest.raises(ManifestError, match=re.escape(words)):
        parse(text.encode(), "f.yaml")


@BOTH
def test_a_tab_in_a_text_stays_what_it_is(loader: Loader) -> None:
    """Though the file is read again without the tabs of its empty lines: one of them stands in a text."""
    text = "a: |\n  b\n  \t\n  \tc\n\n\t# d\ne: 'f\n\t\n  g\t'\n\t\n"
    assert read(text, loader) == {"a": "b\n\t\n\tc\n", "e": "f\ng\t"}


@pytest.mark.parametrize("unit", ["\t\n", "\t", " \t", "\t \t#\n", "#\t", "a#b\t\n", ",\t,"])
def test_tabs_without_end_take_no_time(unit: str) -> None:
    """A file full of them is read or refused in one go: nothing looks at each of them from each of them."""
    many = unit * ((MAX_BYTES // 4) // len(unit))
    for text in (f"a: 1\n\t\nb: [\n{many}", f"a: [\n{many}b]", f"a: [\n{' ' * len(many)}b{many}]\nc: 1\n\td: 1"):
        with suppress(ManifestError):
            parse(text.encode(), "f.yaml")


@given(st.text(st.sampled_from("ab:-[]{},#|>'\"& \t\t\n\n"), max_size=40))
def test_a_tab_that_is_taken_means_what_a_space_means(text: str) -> None:
    """Unless it stands in a text: whatever is read with tabs has the same shape with spaces in their place."""
    try:
        with_tabs = [document.value for document in parse(text.encode(), "f.yaml")]
        with_spaces = [document.value for document in parse(text.replace("\t", " ").encode(), "f.yaml")]
    except ManifestError:
        return
    assert json.dumps(with_tabs).replace("\\t", " ") == json.dumps(with_spaces).replace("\\t", " ")


@BOTH
@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("{ ?a: b }", (1, 4)),
        ("{a: [?b]}", (1, 7)),
        ('{?"a": b}', (1, 3)),
        ('{"a":?b}', (1, 6)),
        ("[a, ?&b c]", (1, 6)),
        ("[&a b, ?*a]", (1, 9)),
        ("[a,#b\n c]", (1, 4)),
        ("a: [b]#c", (1, 7)),
        ("a: 'b'#c", (1, 7)),
        ("a: [#b\n c]", (1, 5)),
        ("a: |# b\n  c", (1, 5)),
        ("a: >2-#\n  b", (1, 7)),
        ("- &a |# b\n  c", (1, 7)),
        ("a: 1\n\ufeffb: 2", (2, 1)),
        ("\ufeff\ufeffa: 1", (1, 1)),
        ("a: b\n---\n\ufeffc: d", (3, 1)),
        ("a: &b:c d", (1, 4)),
        ("a: &b?c d", (1, 4)),
        ("a: &b c\nd: *b:", (2, 4)),
        ("a: |+\n  b\n   ", (3, 1)),
        ("- |+\n   ", (2, 1)),
        ("a: >\n  b\n\n \t", (4, 1)),
        ("# a\u2028b: c\nd: e", (1, 4)),
        ("a: b\x85c", (1, 5)),
        ("a: 'b\u2029c'", (1, 6)),
    ],
)
def test_what_parsers_read_in_two_ways_is_refused(text: str, location: tuple[int, int], loader: Loader) -> None:
    """Another key, half a text, a hidden line: a value must not depend on the version of YAML that is meant."""
    assert places(text, loader)[0] == location


@BOTH
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{ ? a : b }", {"a": "b"}),
        ("?a: b", {"?a": "b"}),
        ("{'?a': '?b'}", {"?a": "?b"}),
        ("[a #b\n]", ["a"]),
        ("a: b#c", {"a": "b#c"}),
        ("a: | # b\n  c#d\n  |# e\n", {"a": "c#d\n|# e\n"}),
        ("a: >-\t# b\n  c\n", {"a": "c"}),
        ("\ufeffa: b|# c", {"a": "b|# c"}),
        ('a: "\\ufeff"', {"a": "\ufeff"}),
        ("a: 'b' #c\n#d", {"a": "b"}),
        ("a: 'b#c'\nd: |\n  e\n #f\n", {"a": "b#c", "d": "e\n"}),
        ("a: &b [c]\nd: {e: *b}\nf: [*b,*b]", {"a": ["c"], "d": {"e": ["c"]}, "f": [["c"], ["c"]]}),
        ("&a b: c\n*a : d", {"b": "d"}),
        ("a: |\n  b\n  c", {"a": "b\nc"}),
        ("a: b\n   ", {"a": "b"}),
        ('a: "\\N\\L\\P"', {"a": "\x85\u2028\u2029"}),
    ],
)
def test_what_has_one_meaning_is_read(text: str, value: object, loader: Loader) -> None:
    """The neighbours of what is refused."""
    if text.endswith(": d") and isinstance(value, dict):  # the alias is a key that is there already
        assert places(text, loader) == [(2, 1)]
    else:
        assert read(text, loader) == value
