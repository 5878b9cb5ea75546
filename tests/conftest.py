"""Options of the test run."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import compiled_statements
from tests.example_counts import ALL

# Where bytecode is not kept, every program that a test starts compiles the whole package again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# What the tests talk to is on loopback, and a proxy of this machine's network would be asked for that, too.
for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "NO_PROXY"):
    os.environ.pop(name, None)
# How outputs look must not depend on the terminal of whoever runs the tests.
for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"):
    os.environ.pop(name, None)
# A shell that starts the tests in the background has them ignore SIGINT, and so would every program under test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine with more to do takes longer, which says nothing about what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("patient")

MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory."""
_ENOUGH = 4 * 2**30


def _has_room_for_programs(folder: Path) -> bool:
    """Say whether files may be written there, as many as the tests leave, and run from there."""
    if not (hasattr(os, "statvfs") and os.access(folder, os.W_OK)):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= _ENOUGH and not found.f_flag & os.ST_NOEXEC


# Nothing that is collected goes away before the run, so looking for garbage meanwhile takes a quarter longer.
gc.disable()

# The tests kill programs, never the machine: a commit need not wait for a disk, which would take half of their time.
if "TMPDIR" not in os.environ and _has_room_for_programs(MEMORY):
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

if not ALL:
    compiled_statements.share()

HERE = Path(__file__).parent
LONG = {"story": "--stories", "long": "--long"}
"""Marker → the option without which its tests are left out."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options: one rewrites expected outputs, whose diff the review reads; others allow a network."""
    parser.addoption("--rewrite-golden", action="store_true", help="rewrite the files of expected outputs")
    parser.addoption("--index", action="store_true", help="ask the package index whether every system gets wheels")
    parser.addoption("--long", action="store_true", help="also run the tests that take long for what they add")
    parser.addoption("--stories", action="store_true", help="play every story of the pipelines, which takes minutes")
    parser.addoption("--pictures", metavar="DIR", help="keep what the browser shows of pages in this folder")
    parser.addoption("--gitlab-ci-local", metavar="PROGRAM", help="run GitLab's file in this runner; it uses the index")


def pytest_configure(config: pytest.Config) -> None:
    """In a fresh clone, compile the tests, which each of the processes to come would do for itself otherwise."""
    is_first = not hasattr(config, "workerinput") and not (HERE / "architecture" / "__pycache__").exists()
    if is_first and getattr(config.option, "numprocesses", None):
        folders = sorted(str(path) for path in HERE.iterdir() if path.is_dir())
        collect = [sys.executable, "-m", "pytest", "-n0", "--collect-only", "--quiet"]
        halves = [subprocess.Popen([*collect, *folders[half::2]], stdout=subprocess.DEVNULL) for half in range(2)]
        for half in halves:
            half.wait()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is long, unless it is asked for."""
    left_out = {marker for marker, option in LONG.items() if not config.getoption(option)}
    long = [item for item in items if left_out & {marker.name for marker in item.iter_markers()}]
    if long:
        items[:] = [item for item in items if item not in set(long)]
        config.hook.pytest_deselected(items=long)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Take the tests themselves out of every later look for garbage, which they make a tenth slower."""
    gc.freeze()
    # The program itself looks less often still; at Python's own pace, looking takes a twentieth of the tests' time.
    gc.set_threshold(10_000)
    gc.enable()
