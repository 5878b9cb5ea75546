"""Small GETs a second from one simulator process under wrk: `python -m tests.benchmarks.simulator_throughput`.

The load generator is wrk (Debian: `apt-get install wrk`). Target: 2,000 a second on two cores.
"""

import re
import shutil
import subprocess
import sys

from reconciler.simulator.testing import serve

TABLE = "00000000-0000-4000-a000-000000000001"
WORKSPACE = {
    "tables": [
        {
            "id": TABLE,
            "name": "Facts",
            "columns": [{"kind": "input", "key": "topic"}, *({"key": f"fact_{each}"} for each in range(20))],
            "rows": 100,
            "shares": {"done": 0.9, "failed": 0.05},
        }
    ]
}
PATHS = {
    "healthcheck": "/v1/healthcheck",
    "billing": "/v1/billing",
    "list of tables": "/v1/tables",
    "table header, 21 columns": f"/v1/tables/{TABLE}",
    "page of 1 row": f"/v1/tables/{TABLE}/data?limit=1",
    "page of 35 rows": f"/v1/tables/{TABLE}/data?limit=35",
}
SECONDS = 5
CONNECTIONS = 16


def main() -> int:
    """Print requests a second for each path; fail where a small one misses the target."""
    if shutil.which("wrk") is None:
        print("wrk is not installed", file=sys.stderr)  # noqa: T201
        return 1
    slowest = float("inf")
    with serve(WORKSPACE) as live:
        for name, path in PATHS.items():
            command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "-H", f"Authorization: Bearer {live.token}"]
            told = subprocess.run([*command, live.url + path], capture_output=True, text=True, check=True).stdout
            found = re.search(r"Requests/sec:\s+([\d.]+)", told)
            assert found is not None, told
            assert "Non-2xx" not in told, told
            rate = float(found[1])
            slowest = rate if "page" not in name and rate < slowest else slowest
            print(f"{name:26} {rate:9,.0f} requests/s")  # noqa: T201
    return 0 if slowest >= 2000 else 1


if __name__ == "__main__":
    sys.exit(main())
