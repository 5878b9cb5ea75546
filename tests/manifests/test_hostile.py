"""Hostile files cost what a manifest costs: bounded by what is read, not by what they pretend."""

import resource
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ManifestError
from reconciler.manifests.loader import load_manifests
from reconciler.manifests.yaml_reader import FAST, MAX_DEPTH, MAX_NODES, MAX_PROBLEMS, PURE, Loader, parse

BOTH = pytest.mark.parametrize("loader", [FAST, PURE])
CPU_SECONDS = 5.0
"""Generous: the attacks below take minutes, or crash the interpreter, where nothing guards."""
MEMORY_KIB = 200 * 1024


class Counted:
    """A parser that counts the events it was asked for."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.events = 0

    def __call__(self, text: str) -> Any:
        """Return the parser of one text."""
        parser = self.loader(text)
        counted = self

        class Counting:
            def get_event(self) -> Any:
                counted.events += 1
                return parser.get_event()

        return Counting()


def refuse(text: str, loader: Loader) -> tuple[str, int]:
    """Return what is said of a text that must be refused, and how many events were read of it."""
    counted = Counted(loader)
    with pytest.raises(ManifestError) as caught:
        parse(text.encode(), "f.yaml", counted)
    return str(caught.value), counted.events


@BOTH
@pytest.mark.parametrize(
    ("opener", "column"), [("[", 65), ("{a: ", 257), ("- ", 129), ("? ", 129), ("[{a: ", 5 * 32 + 1), ("{[", 65)]
)
def test_deep_nesting_stops_at_the_limit(opener: str, column: int, loader: Loader) -> None:
    """Of 200,000 nested brackets only the first 65 are looked at, so that neither parser nor interpreter breaks."""
    said, events = refuse(opener * 200_000, loader)
    assert said == f"f.yaml:1:{column}: lists and mappings are nested more than {MAX_DEPTH} deep here"
    assert events < 3 * MAX_DEPTH


@BOTH
def test_deep_nesting_is_found_where_it_is(loader: Loader) -> None:
    """A parser with a limit of its own, which looks ahead, neither moves the place nor hides what came before it."""
    said, _ = refuse("a: 1\na: 2\nb:\n  - " + "[" * 200_000, loader)
    assert said.splitlines() == [
        "f.yaml:2:1: duplicate key `a`; line 1 has it already",
        f"f.yaml:4:67: lists and mappings are nested more than {MAX_DEPTH} deep here",
    ]


@BOTH
def test_aliases_of_aliases_stop_at_the_limit(loader: Loader) -> None:
    """A few hundred bytes that stand for ten thousand million values are refused at the alias that goes too far."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    said, events = refuse("\n".join(lines), loader)
    assert said.startswith("f.yaml:5:")
    assert "more than 100,000 values" in said
    assert events < 100


@BOTH
def test_merge_keys_of_merge_keys_stop_at_the_limit(loader: Loader) -> None:
    """Merging counts what it merges."""
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: x" for n in range(50)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 20)}]}}" for n in range(1, 10)]
    said, events = refuse("\n".join(lines), loader)
    assert "more than 100,000 values" in said
    assert events < 300


@BOTH
def test_aliases_of_one_long_text_stop_at_the_limit(loader: Loader) -> None:
    """A hundred aliases of a long text would have every rule read it a hundred times."""
    said, events = refuse("a: &a " + "x" * 500_000 + "\nb: [" + "*a, " * 100 + "]", loader)
    assert "more than 4 MiB of text" in said
    assert events < 30


@pytest.mark.parametrize(
    ("text", "loader"),
    [
        ("[" + "a," * 200_000 + "]", FAST),
        ("---\n" * 200_000, FAST),
        ("- a\n" * 200_000, FAST),
        pytest.param("- a\n" * 200_000, PURE, marks=pytest.mark.long),
    ],
)
def test_a_mebibyte_of_small_values_stops_at_the_limit(text: str, loader: Loader) -> None:
    """More values than a manifest can need are refused, also in many documents."""
    said, events = refuse(text, loader)
    assert "more than 100,000 values" in said
    assert events < 4 * MAX_NODES


@BOTH
@pytest.mark.parametrize("text", ["a: 1\n" * 100_000, "1: 2\n" * 100_000, "- !x y\n" * 100_000, "- *a\n" * 100_000])
def test_the_problems_of_one_file_are_bounded(text: str, loader: Loader) -> None:
    """A hundred thousand faults are not a hundred thousand lines."""
    said, events = refuse(text, loader)
    assert len(said.splitlines()) <= MAX_PROBLEMS + 1
    assert "the rest of the file was not read" in said
    assert events < 6 * MAX_PROBLEMS


HEAD = "apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {name: a}\nspec:\n"
RUNS = HEAD + "  table: 0a1a669a-9a40-497c-bb00-d49dd8ee5b74\n  runs:\n"
BOMB = "".join(f"{'  ' if n else ''}- &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else ['x'] * 9)}]\n" for n in range(5))
HOSTILE = {
    "a list of lists of aliases as columns": RUNS
    + "  - {mode: new, columns: ["
    + "&a [x, x], "
    + "*a, " * 30_000
    + "]}",
    "numbers and texts in turn as rows": RUNS + "  - {mode: new, rows: [" + "a, 1, " * 30_000 + "]}",
    "equal mappings as columns": RUNS + "  - {mode: new, columns: [" + "{a: 1}, " * 20_000 + "]}",
    "a hundred thousand unknown keys": RUNS + "  - {mode: new, " + ", ".join(f"k{n}" for n in range(45_000)) + "}",
    "a key of half a mebibyte": HEAD + "  ? " + "k" * 500_000 + "\n  : 1\n",
    "a name of half a mebibyte": HEAD.replace("name: a", "name: '" + "a-" * 250_000 + "'"),
    "long texts under many aliases": RUNS + "  - {mode: new, columns: [&a " + "a" * 100_000 + ", *a" * 35 + "]}",
    "ten thousand documents": "--- a\n" * 10_000,
    "thirty thousand bad runs": RUNS + "  - {}\n" * 30_000,
    "thirty thousand runs of one name": RUNS + "  - {mode: new, name: a}\n" * 15_000,
    "thirty thousand runs without a name": RUNS + "  - {mode: new}\n" * 30_000,
    "a pattern that could backtrack": HEAD.replace("name: a", "name: " + "a" * 60_000 + "!"),
}


def said(file: Path) -> list[str]:
    """Return the problems of a file, a line each."""
    try:
        load_manifests([file])
    except ManifestError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_manifests_are_refused_within_bounds(attack: str, tmp_path: Path) -> None:
    """Past the YAML, the rules stay linear too: bounded CPU, memory and lines, whatever a mebibyte can hold."""
    file = tmp_path / "f.yaml"
    file.write_text(HOSTILE[attack])
    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    lines = said(file)
    assert len(lines) < 20_000
    assert max(map(len, lines), default=0) < 1000
    assert time.process_time() - start < CPU_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MEMORY_KIB
