"""The English of the package: a few habits that are easy to find, and that it has none of."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ROOT / "reconciler"
PATTERNS = {
    "nobody, somebody": re.compile(r"\b(no|some)body\b", re.IGNORECASE),
    "is no NOUN": re.compile(r"(?<!there )\bis no (?!longer\b)", re.IGNORECASE),
    "anew": re.compile(r"\banew\b", re.IGNORECASE),
}


def places(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """Return where a pattern occurs in the Python files of a folder."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted(folder.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for _ in pattern.findall(line)
    ]


def docstrings_with_what(folder: Path) -> list[str]:
    """Return where a docstring, also that of a field, begins with the word `What`."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and re.match(r"What\b", str(node.value.value))
    ]


def found(folder: Path) -> dict[str, list[str]]:
    """Return the places of each habit in a folder."""
    return {
        **{name: places(folder, pattern) for name, pattern in PATTERNS.items()},
        "a docstring that begins with What": docstrings_with_what(folder),
    }


def test_the_package_has_none_of_them() -> None:
    """Neither in messages nor in docstrings or comments; one that is found is named with its place."""
    assert {name: where for name, where in found(ROOMS).items() if where} == {}


def test_the_schemas_have_none_of_them() -> None:
    """Editors show their descriptions."""
    texts = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "schemas").glob("*.json"))
    counted = {name: pattern.findall(texts) for name, pattern in PATTERNS.items() if name != "is no NOUN"}
    counted["a description that begins with What"] = re.findall(r'"description": "What\b', texts)
    assert {name: hits for name, hits in counted.items() if hits} == {}
