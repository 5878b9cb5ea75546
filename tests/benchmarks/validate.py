"""How long validating takes, against what one cannot do without: reading the files and parsing them with CSafeLoader.

    python -m tests.benchmarks.validate [MANIFESTS] [ROUNDS]

The two are measured in turn, in this process, as CPU time; the machine drifts, so the ratio of a pair is what counts.
Targets: 1,000 manifests under 2 s of CPU; 10,000 in at most twice the time of CSafeLoader.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from uuid import UUID

import yaml

from reconciler.cli.group import YOUNG_OBJECTS
from reconciler.manifests.loader import load_manifests

TEMPLATE = """\
# yaml-language-server: $schema=../schemas/manifest.v1.json
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: target-accounts-{number}
  labels: {{team: gtm}}
spec:
  table: {table}
  runs:
    - name: fill
      mode: new
      columns: [latest_funding, pricing_notes]
      rows: [{row}, {other_row}]
    - name: retry
      mode: failed
      max_attempts: 3
    - name: refresh-2026-q4
      mode: all
      columns: [recent_news]
      revision: 2026-q4
"""


def write_manifests(folder: Path, count: int) -> None:
    """Write `count` manifests like that of the first page, one per file, a hundred to a folder."""
    for number in range(count):
        file = folder / f"team-{number // 100}" / f"{number}.yaml"
        file.parent.mkdir(exist_ok=True)
        table, row, other_row = (UUID(int=number * 3 + offset, version=4) for offset in range(3))
        file.write_text(TEMPLATE.format(number=number, table=table, row=row, other_row=other_row))


def parse_bare(folder: Path) -> int:
    """Read and parse every file, and keep nothing."""
    files = sorted(folder.glob("*/*.yaml"))
    for file in files:
        yaml.load(file.read_bytes(), yaml.CSafeLoader)  # the bare minimum
    return len(files)


def validate(folder: Path) -> int:
    """Do what `reconciler validate` does, which looks for garbage as rarely."""
    usual = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS)
    try:
        return len(load_manifests([folder]))
    finally:
        gc.set_threshold(*usual)


def cpu_seconds(work: Callable[[Path], int], folder: Path, expected: int) -> float:
    """Run `work` once."""
    gc.collect()
    start = time.process_time()
    assert work(folder) == expected
    return time.process_time() - start


def measure(count: int, rounds: int) -> list[tuple[float, float]]:
    """Return pairs of seconds: of CSafeLoader and of validating."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_manifests(folder, count)
        return [(cpu_seconds(parse_bare, folder, count), cpu_seconds(validate, folder, count)) for _ in range(rounds)]


def main(count: int = 10_000, rounds: int = 5) -> None:
    """Print the medians and their ratio."""
    pairs = measure(count, rounds)
    bare, ours = (median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = median(ours / bare for bare, ours in pairs)
    print(f"{count:,} manifests, {rounds} rounds: CSafeLoader {bare:.3f} s, validate {ours:.3f} s, {ratio:.2f} ×")  # noqa: T201


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
