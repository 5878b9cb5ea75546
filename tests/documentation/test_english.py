"""The English of the package, its tests and its pages: a few habits that are easy to find, and that it has none of."""

import re
from pathlib import Path

import pytest

from tests.documentation.pages import Page, pages

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
FOLDERS = ("reconciler", "tests", "examples")
PATTERNS = {
    "nobody, somebody": re.compile(r"\b(no|some)body\b", re.IGNORECASE),
    "is no NOUN": re.compile(r"(?<!there )\bis no (?!longer\b)", re.IGNORECASE),
    "anew": re.compile(r"\banew\b", re.IGNORECASE),
}


def places(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """Return where a pattern occurs in the Python files of a folder, names of tests included."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted(folder.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for _ in pattern.findall(line.replace("_", " "))
        if path != HERE
    ]


def docstrings_with_what(folder: Path) -> list[str]:
    """Return where a docstring, also that of a field, begins with the word `What`."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted(folder.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.match(r'\s*r?"""What\b', line)
    ]


def found(folder: Path) -> dict[str, list[str]]:
    """Return the places of each habit in a folder."""
    return {
        **{name: places(folder, pattern) for name, pattern in PATTERNS.items()},
        "a docstring that begins with What": docstrings_with_what(folder),
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_code_has_none_of_them(folder: str) -> None:
    """Neither in messages nor in docstrings, comments or names; one that is found is named with its place."""
    assert {name: where for name, where in found(ROOT / folder).items() if where} == {}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_pages_have_none_of_them(page: Page) -> None:
    """Outside of code."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.text, flags=re.DOTALL)
    assert {name: pattern.findall(text) for name, pattern in PATTERNS.items() if pattern.search(text)} == {}


def test_the_schemas_have_none_of_them() -> None:
    """Editors show their descriptions."""
    texts = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "schemas").glob("*.json"))
    counted = {name: pattern.findall(texts) for name, pattern in PATTERNS.items() if name != "is no NOUN"}
    counted["a description that begins with What"] = re.findall(r'"description": "What\b', texts)
    assert {name: hits for name, hits in counted.items() if hits} == {}
