"""Copies of the program, and tests run in them: forked from a process that has all imported that is not the program's.

Imports nothing of the program itself: what a copy imports must be its own.
"""

import multiprocessing
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    *("reconciler", "schemas", "pyproject.toml", "tests/at_most_once", "tests/journey"),
    *("tests/compiled_statements.py", "tests/conftest.py", "tests/example_counts.py", "tests/warm_up.py"),
)
PRELOADED = (
    *("pytest", "anyio._backends._asyncio", "click", "httpcore", "httpx", "jsonschema", "msgspec", "yaml"),
    *("alembic.autogenerate", "alembic.command", "alembic.config", "referencing.jsonschema"),
    *("sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite"),
    *("starlette.routing", "uvicorn", "uvicorn.protocols.http.httptools_impl"),
)
OPTIONS = ("-o", "addopts=--strict-markers --import-mode=importlib -p no:cacheprovider")
"""In one process, and without plugins that none of its tests needs."""
LONGEST = 120.0
"""Seconds."""

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(PRELOADED))


@dataclass(frozen=True)
class Done:
    """How a run of tests ended."""

    code: int | None
    out: str


def copy_of_the_program(folder: Path) -> Path:
    """Copy the program and the tests it is tried with, and what is compiled of them: a changed file is newer."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    # The fixtures there need a PostgreSQL; the interleavings do not.
    (folder / "tests" / "at_most_once" / "conftest.py").unlink()
    return folder


def run_tests(folder: Path, *tests: str) -> Done:
    """Run tests of a copy against the program there."""
    out = folder / "out.txt"
    process = _forks.Process(target=_be_pytest, args=(str(folder), str(out), tests))
    process.start()
    process.join(LONGEST)
    if process.exitcode is None:
        process.kill()
        process.join()
    return Done(process.exitcode, out.read_text(encoding="utf-8") if out.exists() else "")


def _be_pytest(folder: str, out: str, tests: tuple[str, ...]) -> None:
    written = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.chdir(folder)
    # This module came from the tests' own folder; whatever is imported from now on comes from the copy.
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    program = __import__("reconciler")
    if not Path(program.__file__ or "").is_relative_to(folder):
        sys.exit(f"{program.__file__} is not the copy's")
    sys.exit(pytest.main([*OPTIONS, *tests]))
