"""The fixtures work in a user's own test suite, as the guide shows them."""

import subprocess
import sys
from pathlib import Path

CONFTEST = 'pytest_plugins = ["reconciler.simulator.testing"]\n'
TESTS = """
import httpx
import pytest

TABLE = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"


@pytest.fixture
def simulator_workspace():
    return {"tables": [{"id": TABLE, "name": "Accounts", "columns": [{"key": "funding"}], "rows": 3}]}


def test_live(simulator):
    headers = {"Authorization": f"Bearer {simulator.token}"}
    httpx.post(f"{simulator.url}/v1/tables/{TABLE}/run", headers=headers).raise_for_status()
    simulator.finish()
    assert set(simulator.charges().values()) == {1}
    assert simulator.environment()["EXTRUCT_API_URL"] == simulator.url


def test_in_process(simulator_transport):
    live = simulator_transport.live
    with httpx.Client(transport=simulator_transport, base_url=live.url) as client:
        assert client.get("/v1/tables").status_code == 401
"""


def test_the_fixtures_work_in_a_suite_of_their_own(tmp_path: Path) -> None:
    """A project with one line of plugin gets a live server and an in-process transport."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_accounts.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:schemathesis", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_server_needs_no_pytest() -> None:
    """`serve` is there without pytest, for users of other test runners."""
    script = "import sys; import reconciler.simulator.server; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
