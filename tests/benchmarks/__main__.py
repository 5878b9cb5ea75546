"""Every row of the performance targets, measured here and now, as a Markdown table.

    python -m tests.benchmarks [--repeats N] [NAME…]

Needs curl, jq and, for the server's own ceiling, wrk. Take it on a machine that does nothing else.
"""

import argparse
import os
import platform
import sys
from datetime import UTC, datetime

from tests.benchmarks.rows import ROWS

MET = {True: "yes", False: "**no**", None: "not measured"}


def main() -> int:
    """Print the table; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *ROWS], metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--repeats", type=int, default=3, help="pairs of each")
    chosen = parser.parse_args()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, CPython {platform.python_version()}"
    load = f"load {os.getloadavg()[0]:.1f} at the start"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {load}, medians of {chosen.repeats}.\n")  # noqa: T201
    print("| work | target | measured | met | beside |\n|---|---|---|---|---|", flush=True)  # noqa: T201
    missed = 0
    for name in chosen.names or ROWS:
        for row in ROWS[name](chosen.repeats):
            missed += row.met is False
            print(f"| {row.work} | {row.target} | {row.measured} | {MET[row.met]} | {row.beside} |", flush=True)  # noqa: T201
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
