"""Broken files, each named for its fault, and everything that is said about it."""

from pathlib import Path

import pytest

from reconciler.errors import ManifestError
from reconciler.manifests.loader import load_manifests
from reconciler.manifests.yaml_reader import FAST, PURE, Loader, parse, read_documents
from reconciler.settings.project_file import project_of
from reconciler.text.location import Diagnostic

BROKEN = Path(__file__).parent / "broken"
FAULTS = sorted(path.stem for path in BROKEN.glob("*.yaml"))


def said(problem: Diagnostic) -> str:
    """Return a problem as the command line prints it."""
    return f"{problem.location}: {problem.code} {problem.message}\n" + (f"  {problem.hint}\n" if problem.hint else "")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_problem_of_a_broken_file_is_said_with_its_place(
    fault: str, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    """Each broken file yields exactly the lines beside it."""
    monkeypatch.chdir(BROKEN)
    file = Path(f"{fault}.yaml")
    with pytest.raises(ManifestError) as caught:
        project_of(read_documents(file), file.as_posix()) if fault.startswith("project-") else load_manifests([file])
    text = "".join(said(problem) for problem in caught.value.problems)
    expected = Path(f"{fault}.txt")
    if pytestconfig.getoption("--rewrite-golden"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def problems(data: bytes, loader: Loader) -> tuple[Diagnostic, ...]:
    """Return what one of the two parsers finds."""
    try:
        parse(data, "file.yaml", loader)
    except ManifestError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("fault", FAULTS)
def test_both_parsers_say_the_same(fault: str) -> None:
    """Where PyYAML was built without libyaml, a broken file gets the same messages at the same places."""
    data = (BROKEN / f"{fault}.yaml").read_bytes()
    assert problems(data, PURE) == problems(data, FAST)


def test_there_are_enough_faults() -> None:
    """Every broken file has its expected output, and nothing expected lacks its file."""
    assert len(FAULTS) >= 25
    assert sorted(path.stem for path in BROKEN.glob("*.txt")) == FAULTS
