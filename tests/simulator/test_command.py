"""`reconciler simulator` as a process of its own."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

COMMAND = [sys.executable, "-P", "-m", "reconciler", "simulator"]


@contextmanager
def _running(*options: str) -> Iterator[tuple[str, list[str], subprocess.Popen[str]]]:
    """Start the command and yield its URL, what it printed, and the process."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None
        while not lines or not lines[-1].startswith("Stop"):
            lines.append(process.stdout.readline())
            assert lines[-1], process.communicate()
        found = re.search(r"http://[\d.:\[\]]+", lines[0])
        assert found is not None
        yield found[0], lines, process
    finally:
        process.kill()
        process.communicate()


def test_it_prints_its_url_and_how_to_use_it() -> None:
    """The first lines are what a person copies, and Ctrl-C is its ordinary end."""
    with _running() as (url, lines, process):
        assert f"  export EXTRUCT_API_URL={url}\n" in lines
        assert "  export EXTRUCT_API_TOKEN=simulator-token\n" in lines
        headers = {"Authorization": "Bearer simulator-token"}
        assert httpx.get(f"{url}/v1/tables", headers=headers).json()[0]["name"] in lines[1] + lines[2]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_workspace_faults_speed_and_seed_are_options(tmp_path: Path) -> None:
    """Options reach the simulator: its tables, a fault, its time."""
    path = tmp_path / "workspace.yaml"
    path.write_text("token: t\ntables: [{name: Facts, columns: [{key: a}], rows: 2}]\n")
    with _running(
        "--workspace", str(path), "--seed", "8", "--fault", "status status=503 times=1", "--speed", "1e6"
    ) as (url, *_):
        headers = {"Authorization": "Bearer t"}
        assert httpx.get(f"{url}/v1/tables", headers=headers).status_code == 503
        (table,) = httpx.get(f"{url}/v1/tables", headers=headers).json()
        assert httpx.post(f"{url}/v1/tables/{table['id']}/run", headers=headers).json()["num_requested_cells"] == 2
        while httpx.get(f"{url}/v1/tables/{table['id']}", headers=headers).json()["status"]["run_status"] != "idle":
            pass


REFUSED = [
    (["--host", "0.0.0.0"], 1, "listens on loopback only, not on 0.0.0.0"),
    (["--host", "example.com"], 1, "listens on loopback only"),
    (["--fault", "explode"], 1, "--fault `explode`"),
    (["--workspace", "nowhere.yaml"], 1, "nowhere.yaml:1:1: E001 the file cannot be read"),
    (["--speed", "0"], 64, "--speed"),
]


@pytest.mark.parametrize(("options", "code", "text"), REFUSED)
def test_what_it_refuses(tmp_path: Path, options: list[str], code: int, text: str) -> None:
    """A wrong option is said in words, with an exit code and without a traceback."""
    done = subprocess.run([*COMMAND, *options], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_said() -> None:
    """A second simulator on the same port says so."""
    with _running() as (url, *_):
        port = url.rsplit(":", 1)[1]
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
