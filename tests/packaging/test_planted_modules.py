"""Modules that a change puts into the working directory are not loaded, in every way to start the program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).with_name("reconciler"))
AFTER_US = ["json", "secrets", "subprocess", "click", "yaml", "httpx", "sqlalchemy", "sitecustomize", "usercustomize"]
"""Of the standard library and the dependencies, and what Python loads by itself."""
BEFORE_US = ["reconciler", "runpy", "pkgutil", "contextlib", "typing"]
"""Modules that `python -m` loads before the program can say anything."""


def started(folder: Path, planted: list[str], *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Start the program among planted modules that leave a trace, and return how it ended."""
    for name in planted:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'ran')!r}, 'a').write({name!r})\n")
    (folder / "planted.pth").write_text(f"import sys; open({str(folder / 'ran')!r}, 'a')\n")
    (folder / "manifests").mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **more}
    return subprocess.run(
        [*command, "ledger", "list"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", [[PROGRAM], [sys.executable, "-I", "-m", "reconciler"]], ids=["script", "isolated"])
def test_no_planted_module_is_loaded(tmp_path: Path, command: list[str]) -> None:
    """Neither by the installed script nor by an isolated Python, also in CI."""
    done = started(tmp_path, AFTER_US + BEFORE_US, *command, CI="true")
    assert (done.returncode, done.stderr, (tmp_path / "ran").exists()) == (0, "", False)


def test_python_m_forgets_the_working_directory(tmp_path: Path) -> None:
    """At a desk, before the first module of the standard library is loaded."""
    done = started(tmp_path, AFTER_US, sys.executable, "-m", "reconciler")
    assert (done.returncode, done.stderr, (tmp_path / "ran").exists()) == (0, "", False)


def test_python_m_is_refused_in_ci(tmp_path: Path) -> None:
    """Some modules are loaded before the program can forget the folder, so a job that is set up so never works."""
    done = started(tmp_path, AFTER_US, sys.executable, "-m", "reconciler", CI="true")
    assert (done.returncode, "python -I -m reconciler" in done.stderr, done.stdout) == (1, True, "")
    assert not (tmp_path / "ran").exists()
