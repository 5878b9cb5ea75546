"""A table of 100,000 rows × 20 columns, page by page and as one stream, and the memory of the process that serves it.

`python -m tests.benchmarks.simulator_memory`. Target: under 300 MB.
"""

import http.client
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS, COLUMNS, PAGE = 100_000, 20, 1000
TABLE = "00000000-0000-4000-a000-000000000001"
AT_MOST = 300e6
WORKSPACE = f"""
tables:
  - id: {TABLE}
    name: Large
    columns:
      - {{kind: input, key: topic}}
{"".join(f"      - {{key: fact_{each}}}{chr(10)}" for each in range(COLUMNS))}
    rows: {ROWS}
    shares: {{done: 0.8, failed: 0.1}}
"""
HEADERS = {"Authorization": "Bearer simulator-token"}


def peak(process: int) -> float:
    """Return the highest resident memory of a process so far, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text("ascii"))
    assert found is not None
    return int(found[1]) * 1024


def resident(server: subprocess.Popen[str]) -> str:
    """Return the highest memory of the server so far, for people."""
    return f"peak {peak(server.pid) / 1e6:.0f} MB"


def fetch(connection: http.client.HTTPConnection, path: str) -> int:
    """Return the length of an answer, read piece by piece."""
    connection.request("GET", path, headers=HEADERS)
    answer = connection.getresponse()
    assert answer.status == 200
    length = 0
    while piece := answer.read(1 << 20):
        length += len(piece)
    return length


def main() -> int:
    """Print times and memory; fail where the target is missed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "workspace.yaml")
        path.write_text(WORKSPACE, encoding="utf-8")
        command = [sys.executable, "-P", "-m", "reconciler", "simulator", "--port", "0", "--workspace", str(path)]
        began = time.perf_counter()
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            found = re.search(r"http://([\d.]+):(\d+)", server.stdout.readline())
            assert found is not None
            print(f"ready after {time.perf_counter() - began:.1f} s, {resident(server)}")  # noqa: T201
            connection = http.client.HTTPConnection(found[1], int(found[2]))
            for name, paths in (
                (f"pages of {PAGE}", [f"?offset={each}&limit={PAGE}" for each in range(0, ROWS, PAGE)]),
                ("one stream", [""]),
            ):
                began = time.perf_counter()
                length = sum(fetch(connection, f"/v1/tables/{TABLE}/data{query}") for query in paths)
                took = time.perf_counter() - began
                rate = length / took / 1e6
                print(f"{name:14} {length / 1e6:5.0f} MB in {took:4.1f} s, {rate:4.0f} MB/s, {resident(server)}")  # noqa: T201
            connection.request("POST", f"/v1/tables/{TABLE}/run", b'{"mode": "all"}', HEADERS)
            began = time.perf_counter()
            asked = connection.getresponse().read().decode()
            cells = re.search(r'"num_requested_cells":(\d+)', asked)
            assert cells is not None
            took = time.perf_counter() - began
            print(f"run of {int(cells[1]):,} cells accepted in {took:.1f} s, {resident(server)}")  # noqa: T201
            return 0 if peak(server.pid) < AT_MOST else 1
        finally:
            server.kill()
            server.communicate()


if __name__ == "__main__":
    sys.exit(main())
