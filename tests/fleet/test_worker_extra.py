"""Without the extra, `worker` says how to install it; whatever of it is lacking."""

import subprocess
import sys

import pytest

LACKING = """
import sys
sys.modules[sys.argv.pop(1)] = None
from reconciler.cli.group import run
sys.exit(run(["worker"]))
"""


@pytest.mark.parametrize("library", ["procrastinate", "prometheus_client"])
def test_without_the_extra_the_worker_says_how_to_install_it(library: str) -> None:
    """One line and a hint, and no traceback."""
    done = subprocess.run([sys.executable, "-c", LACKING, library], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the worker is not installed\n  pip install 'extruct-reconciler[worker]'\n" in done.stderr
    assert "Traceback" not in done.stderr
