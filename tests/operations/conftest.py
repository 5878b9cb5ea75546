"""The files of `examples/operations`, and the linters that packages put beside this Python."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

OPERATIONS = Path(__file__).parents[2] / "examples" / "operations"


def program(name: str) -> str | None:
    """Return where a program is, if it is there."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def needs(tool: str) -> pytest.MarkDecorator:
    """Return what leaves a test out where a program is not, which no package brings."""
    return pytest.mark.skipif(program(tool) is None, reason=f"{tool} is not here")


def lint(tool: str, *arguments: str) -> None:
    """Run a program; it must find nothing."""
    found = program(tool)
    assert found is not None, f"{tool} is missing; it comes with the dev extra"
    done = subprocess.run([found, *arguments], cwd=OPERATIONS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def documents(name: str) -> list[Any]:
    """Return the documents of a YAML file."""
    return list(yaml.safe_load_all((OPERATIONS / name).read_text(encoding="utf-8")))
