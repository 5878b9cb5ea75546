"""Without the extra, `worker` says how to install it."""

import subprocess
import sys

LACKING = """
import sys
sys.modules["prometheus_client"] = None
from reconciler.cli.group import run
sys.exit(run(["worker"]))
"""


def test_without_the_extra_the_worker_says_how_to_install_it() -> None:
    """One line and a hint, and no traceback."""
    done = subprocess.run([sys.executable, "-c", LACKING], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the worker is not installed\n  pip install 'extruct-reconciler[worker]'\n" in done.stderr
    assert "Traceback" not in done.stderr
