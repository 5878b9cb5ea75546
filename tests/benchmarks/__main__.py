"""Every row of the performance targets, measured here and now, as a Markdown table.

    python -m tests.benchmarks [--repeats N] [--write] [NAME…]

Needs curl and jq; the server's own ceiling is measured with wrk if there is one. Take it on a machine that does nothing
else. `--write` puts the table into the page beside this file.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.rows import ROWS

PAGE = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
MET = {True: "yes", False: "**no**", None: "not measured"}


def main() -> int:
    """Print the table; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *ROWS], metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--repeats", type=int, default=3, help="pairs of each")
    parser.add_argument("--write", action="store_true", help="put the table into tests/benchmarks/README.md")
    chosen = parser.parse_args()
    lines = []
    for line in report(chosen.names or list(ROWS), chosen.repeats):
        print(line, flush=True)  # noqa: T201
        lines.append(line)
    if chosen.write:
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.partition(BEGIN)[0], page.partition(END)[2]
        PAGE.write_text("\n".join([f"{before}{BEGIN}", "", *lines, "", f"{END}{after}"]), encoding="utf-8")
    return 1 if any("**no**" in line for line in lines) else 0


def report(names: Sequence[str], repeats: int) -> Iterator[str]:
    """Measure; yield the lines."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, CPython {platform.python_version()}"
    load = f"load {os.getloadavg()[0]:.1f} at the start"
    yield f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {load}, medians of {repeats}."
    yield from ("", "| work | target | measured | met | beside |", "|---|---|---|---|---|")
    for name in names:
        for row in ROWS[name](repeats):
            yield f"| {row.work} | {row.target} | {row.measured} | {MET[row.met]} | {row.beside} |"


if __name__ == "__main__":
    sys.exit(main())
