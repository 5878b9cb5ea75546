"""The values that strict YAML reads, and their places."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.errors import ManifestError
from reconciler.manifests.document import Document
from reconciler.manifests.yaml_reader import FAST, PURE, Loader, parse, read_documents
from reconciler.text.location import Diagnostic, Location

BOTH = pytest.mark.parametrize("loader", [FAST, PURE])


def read(text: str | bytes, loader: Loader = FAST) -> Document:
    """Return the only document of a text."""
    [document] = parse(text.encode() if isinstance(text, str) else text, "f.yaml", loader)
    return document


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "Yes",
        "NO",
        "012",
        "0o17",
        "0x1F",
        "1_000",
        "2026-01-01",
        "2026-01-01T12:30:00Z",
        "12:30:00",
        ".inf",
        "-.inf",
        ".nan",
        "+",
        ".",
        "1e",
    ],
)
def test_what_other_loaders_turn_into_something_else_stays_text(text: str, loader: Loader) -> None:
    """Words, dates, times, octals and special floats are the text that was written."""
    assert read(f"a: {text}", loader).value == {"a": text}


@BOTH
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-0", 0),
        ("+7", 7),
        ("2026", 2026),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-2.5E-3", -0.0025),
        ('"2026"', "2026"),
        ("'true'", "true"),
        ("|\n  2026", "2026"),
        ('""', ""),
    ],
)
def test_true_false_null_and_numbers_resolve(text: str, value: object, loader: Loader) -> None:
    """Unquoted scalars of the five kinds have the type they spell; quoted ones are text."""
    document = read(f"a: {text}", loader)
    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)


@BOTH
def test_merge_keys_add_what_a_mapping_does_not_say_itself(loader: Loader) -> None:
    """The mapping's own keys win, then the first of the merged ones; places are where the values were written."""
    document = read("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 9\n'<<': text\n", loader)
    value: Any = document.value
    assert value["z"] == {"a": 9, "b": 2, "c": 4}
    assert value["<<"] == "text"
    assert document.location(("z", "a")) == Location("f.yaml", 5, 6)
    assert document.location(("z", "b")) == Location("f.yaml", 1, 17)
    assert document.location(("z", "c"), key=True) == Location("f.yaml", 2, 14)


@BOTH
def test_places_of_values_keys_and_of_what_is_not_there(loader: Loader) -> None:
    """A place counts lines and columns from 1, and a path that leads nowhere has the place of its last parent."""
    document = read("# comment\na:\n  - b: Zürich\n    c: [1, {d: 2}]\n🚀: 東京 # x\n", loader)
    assert document.location(()) == Location("f.yaml", 2, 1)
    assert document.location(("a", 0, "b")) == Location("f.yaml", 3, 8)
    assert document.location(("a", 0, "c", 1, "d")) == Location("f.yaml", 4, 16)
    assert document.location(("a", 0, "c", 1, "d"), key=True) == Location("f.yaml", 4, 13)
    assert document.location(("a", 0, "c", 1, "e"), key=True) == Location("f.yaml", 4, 12)
    assert document.location(("a", 7, "c")) == Location("f.yaml", 3, 3)
    assert document.location(("a", 0, "b", "x")) == Location("f.yaml", 3, 8)
    assert document.location(("🚀",)) == Location("f.yaml", 5, 4)
    assert document.location(("x",), key=True) == Location("f.yaml", 2, 1)


@BOTH
@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "---\n---\n# x\n---\n", "\ufeff", "\n\n"])
def test_empty_documents_are_passed_over(text: str, loader: Loader) -> None:
    """A file without content, or with empty documents between separators, holds no document."""
    assert parse(text.encode(), "f.yaml", loader) == ()


@BOTH
def test_a_byte_order_mark_and_dos_line_ends_change_nothing(loader: Loader) -> None:
    """Files saved by Windows editors have the same values and places."""
    document = read("\ufeffa: 1\r\nb: |\r\n  x\r\n  y\r\nc: 2\r\n", loader)
    assert document.value == {"a": 1, "b": "x\ny\n", "c": 2}
    assert document.location(("a",)) == Location("f.yaml", 1, 4)
    assert document.location(("c",)) == Location("f.yaml", 5, 4)


@BOTH
def test_tabs_in_texts_and_comments_are_fine(loader: Loader) -> None:
    """They are what was written."""
    text = "# a\tb\nb: 'x\ty'\nc: |\n  a\tb\n  \tc\nd: 1 #\tok\n"
    assert read(text, loader).value == {"b": "x\ty", "c": "a\tb\n\tc\n", "d": 1}


def test_a_file_that_cannot_be_read_is_a_problem_of_that_file(tmp_path: Path) -> None:
    """Missing files, folders, names with NUL and files over a mebibyte are said, not raised through."""
    large = tmp_path / "large.yaml"
    large.write_bytes(b"a: " + b"x" * 1024 * 1024)
    looped = tmp_path / "loop.yaml"
    looped.symlink_to(looped)
    for path in (tmp_path / "missing.yaml", tmp_path, Path("a\0b"), looped, large):
        with pytest.raises(ManifestError) as caught:
            read_documents(path)
        [problem] = caught.value.problems
        assert (problem.location.line, problem.location.column) == (1, 1)
        assert "larger than 1 MiB" in problem.message if path == large else "cannot be read" in problem.message
    large.write_bytes(b"a: " + b"x" * (1024 * 1024 - 3))
    assert len(read_documents(large)) == 1


def test_a_file_name_with_control_characters_is_shown_safely(tmp_path: Path) -> None:
    """A line break in a file's name cannot forge a line of output."""
    path = tmp_path / "a\n\x1b[2Jb.yaml"
    path.write_text("a: [")
    with pytest.raises(ManifestError) as caught:
        read_documents(path)
    assert len(str(caught.value).splitlines()) == 1
    assert "\x1b" not in str(caught.value)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF, exclude_characters="\0"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<é ", min_size=1, max_size=8), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(VALUES.filter(lambda value: value is not None))
@example({"a": 1e22, "b": [1e-7, "\x7f", "\u2028", "\x85"]})
def test_what_json_writes_is_read_back_with_its_places(value: object) -> None:
    """JSON is read as itself, by both parsers, and the text at each scalar's place begins with that scalar.

    But for what JSON escapes as a pair of surrogates: YAML has no pairs, and refuses the halves.
    """
    text = json.dumps(value, indent=1)
    for loader in (FAST, PURE):
        document = read(text, loader)
        assert document.value == value
        lines = text.split("\n")
        for at, leaf in leaves(value):
            location = document.location(at)
            assert lines[location.line - 1][location.column - 1 :].startswith(json.dumps(leaf))


def leaves(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], object]]:
    """Return each scalar in a value with its path."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*at, key))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*at, index))]
    return [(at, value)]


YAML_LIKE = st.text(st.sampled_from("ab1:-?[]{},&*!|>'\"%@`#~<. \n\n  \t\\x0\ud7ff\u2028é"), max_size=60)


@given(st.binary(max_size=200) | YAML_LIKE.map(str.encode))
@example(b'"\\U00110000"')
@example(b'"\\ud800"')
@example(b"*a")
@example(b"? *a\n: &a")
@example(b"%YAML 1.9\n---\n")
def test_junk_raises_nothing_but_manifest_errors(data: bytes) -> None:
    """Whatever bytes a file holds, both parsers return documents or say what is wrong and where."""
    for loader in (FAST, PURE):
        for problem in problems(data, loader):
            assert problem.location.line >= 1
            assert problem.location.column >= 1
            assert problem.message


def problems(data: bytes, loader: Loader) -> tuple[Diagnostic, ...]:
    """Return what one of the two parsers finds."""
    try:
        parse(data, "f.yaml", loader)
    except ManifestError as error:
        return error.problems
    return ()


def test_without_libyaml_the_pure_parser_takes_its_place() -> None:
    """PyYAML may have been built without its C extension; then everything works the same, slower."""
    program = (
        "import sys; sys.modules['yaml._yaml'] = None\n"
        "from reconciler.manifests.yaml_reader import FAST, parse\n"
        "print(FAST.__name__, parse(b'a: [on, 1]', 'f.yaml')[0].value)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "_PureLoader {'a': ['on', 1]}\n"
