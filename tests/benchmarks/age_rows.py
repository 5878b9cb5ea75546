"""The rows of age: the same plan and the same apply on a ledger of two years and on one of a week, and how it grows."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from reconciler.ledger import Ledger, open_ledger
from reconciler.model.plan import Call
from tests.benchmarks.age import Clock, buy, calls, fill
from tests.benchmarks.measuring import Project, project, serving
from tests.benchmarks.row import Row
from tests.benchmarks.server import World, table_id

WEEKS = 104
COMMITS = 400
TURN = 20
"""So many of them on the one ledger, then on the other."""
MODE = "all, refresh: {every: 30d}"
"""Nothing is due: the last refresh was an hour ago."""


def age(repeats: int, rows: int = 100_000, columns: int = 5, weeks: int = WEEKS) -> Iterator[Row]:
    """A plan with nothing due, the commits of an apply, and the file's growth; the ledgers are made in memory."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        old, new = Path(name) / "old.db", Path(name) / "new.db"
        sizes = fill(old, weeks, rows, columns)
        fill(new, 1, rows, columns)
        yield from growth(sizes, rows * columns)
        yield digests(fill(Path(name) / "inputs.db", 4, rows, columns, has_inputs=True), sizes, rows * columns)
        yield commits(old, new, repeats, rows, columns)
        yield from plans(old, new, repeats, rows, columns)


def growth(sizes: list[int], cells: int) -> Iterator[Row]:
    """The file after each week."""
    fresh = sizes[0] / cells
    again = (sizes[-1] - sizes[2]) / (len(sizes) - 3) / cells
    what = "the ledger's growth for cells never bought before"
    yield Row(what, "≤ 20 bytes a cell", f"{fresh:.1f}", fresh <= 20, f"{cells:,} cells")
    what = "the ledger's growth a refresh of the same cells, audit trail included"
    once = (sizes[1] - sizes[0]) / cells
    beside = f"{sizes[-1] / 1e6:.0f} MB after {len(sizes)} weeks; the first takes {once:.0f}, for what is under way"
    yield Row(what, "≤ 2 bytes a cell", f"{again:.2f}", again <= 2, beside)


def digests(sizes: list[int], without: list[int], cells: int) -> Row:
    """The file after a few weeks, if every cell has inputs: their digests are kept once, and do not change."""
    fresh, again = sizes[0] / cells, (sizes[-1] - sizes[2]) / cells
    what = "the ledger's growth for new cells with digests of their inputs"
    beside = f"{(sizes[0] - without[0]) / cells:.1f} of them for the digests; {again:.2f} a refresh"
    return Row(what, "≤ 20 bytes a cell", f"{fresh:.1f}", fresh <= 20, beside)


def commits(old: Path, new: Path, repeats: int, rows: int, columns: int) -> Row:
    """Intents of 1,000 cells each, an ending in the same transaction: one commit a call."""
    found = calls(-1, rows, columns)[:COMMITS]
    ratios, each = [], []
    for _ in range(repeats):
        of_new, of_old = _bought(new, old, found)
        ratios.append(of_old / of_new)
        each.append(of_old / len(found))
    ratio = median(ratios)
    beside = f"{median(each) * 1000:.2f} ms a call, in memory"
    return Row("an apply's commits on an old ledger", "≤ 1.2 × a fresh one", f"{ratio:.2f} ×", ratio <= 1.2, beside)


def _bought(new: Path, old: Path, found: list[Call]) -> tuple[float, float]:
    """Buy on copies of both by turns of a moment each, in which a machine stays as fast as it is; return the times."""
    took = [0.0, 0.0]
    copies = [path.with_name(f"copy-{path.name}") for path in (new, old)]
    clock = Clock(time.time())
    with ExitStack() as stack:
        ledgers: list[Ledger] = []
        for path, copy in zip((new, old), copies, strict=True):
            shutil.copyfile(path, copy)
            stack.callback(copy.unlink)
            ledgers.append(stack.enter_context(open_ledger(str(copy), clock=clock)))
        versions = [ledger.recall([table_id(0)])[table_id(0)].version for ledger in ledgers]
        for turn, start in enumerate(range(0, len(found), TURN)):
            for at in (0, 1) if turn % 2 else (1, 0):
                began = time.perf_counter()
                versions[at] = buy(ledgers[at], versions[at], -1, found[start : start + TURN], clock)
                took[at] += time.perf_counter() - began
    return took[0], took[1]


def plans(old: Path, new: Path, repeats: int, rows: int, columns: int) -> Iterator[Row]:
    """The whole command, pages and all."""
    times, peaks, seconds = [], [], []
    with serving(World(rows=rows, columns=columns)) as url:
        for _ in range(repeats):
            of_new, of_old = (planned(url, path) for path in (new, old))
            times.append(of_old[0] / of_new[0])
            peaks.append(of_old[1] / of_new[1])
            seconds.append(of_old[0])
    ratio, peak = median(times), median(peaks)
    what = f"plan of {rows:,} rows × {columns} columns on an old ledger"
    yield Row(what, "≤ 1.2 × one of a week", f"{ratio:.2f} × ({median(seconds):.1f} s)", ratio <= 1.2)
    yield Row(f"{what}: memory", "≤ 1.1 ×", f"{peak:.2f} ×", peak <= 1.1)


def planned(url: str, ledger: Path) -> tuple[float, int]:
    """Plan with a copy of a ledger; return the seconds and the peak memory."""
    with project(url, 1, mode=MODE) as made:
        _lay(ledger, made)
        spent, profile = made.run("plan")
        assert profile["sizes"]["calls"] == 0
        return spent.seconds, spent.peak_bytes


def _lay(ledger: Path, made: Project) -> None:
    folder = made.folder / ".reconciler"
    folder.mkdir()
    shutil.copyfile(ledger, folder / "ledger.db")
