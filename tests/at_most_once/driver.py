"""Runs command lines in child processes forked from this one, in which everything is imported, and kills them.

`python -m tests.at_most_once.driver` reads jobs as JSON lines on stdin and answers with JSON lines on stdout. A job may
name a point of the program; its process then ends itself with a real SIGKILL, or stops itself with a real SIGSTOP, the
moment it gets there. The product knows nothing of it: the points are lines of its source, watched with `sys.settrace`.
"""

import gc
import importlib
import inspect
import json
import os
import random
import selectors
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NoReturn

from reconciler.cli.group import run
from tests.warm_up import warm_up

PRELOADED = (
    "reconciler.cli.apply",
    "reconciler.cli.ledger",
    "reconciler.cli.plan",
    "reconciler.cli.follow",
    "reconciler.cli.submit",
    "reconciler.cli.worker",
    "reconciler.fleet.engine",
    "reconciler.ledger.migrate",
    "anyio._backends._asyncio",
    "httpcore",
    "psycopg",
    "psycopg_binary",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)

APPLY_PATH: dict[str, tuple[str, ...]] = {
    "reconciler.operations.apply": ("apply", "WaveRunner.send", "WaveRunner._send_wave"),
    "reconciler.operations.fold": ("record_endings",),
    "reconciler.operations.start_apply": ("start_apply",),
    "reconciler.operations.rescue": ("Witness.report_of", "Witness.on_result"),
    "reconciler.operations.send": ("send",),
    "reconciler.spending.protocol": (
        *(
            "SpendProtocol.run",
            "SpendProtocol._run_lane",
            "SpendProtocol._run_table",
            "SpendProtocol._results",
            "SpendProtocol._send",
            "SpendProtocol._attempt",
            "SpendProtocol._post",
            "SpendProtocol._record",
        ),
        *(
            "SpendProtocol._record_kept",
            "SpendProtocol._after",
            "SpendProtocol._stop_after",
            "SpendProtocol._not_begun",
        ),
    ),
    "reconciler.ledger.lease_keeper": (
        "LeaseKeeper.__enter__",
        "LeaseKeeper.begin",
        "LeaseKeeper.end",
        "LeaseKeeper.__exit__",
    ),
    "reconciler.ledger.ledger": ("Ledger.begin",),
    "reconciler.ledger.drafts": ("draft",),
    "reconciler.ledger.journal": ("begin", "_lock_table", "_end_as_usual", "end", "_retry", "_apply"),
    "reconciler.ledger.leases": ("acquire", "release", "require"),
    "reconciler.ledger.store": ("Store.write", "Store._write"),
    "reconciler.client.run_call": (
        *("SpendClient.send", "SpendClient._request", "SpendClient._post", "SpendClient._exchange"),
        *("SpendClient._judged", "_Exchange.witness"),
    ),
    "sqlalchemy.engine.default": ("DefaultDialect.do_begin", "DefaultDialect.do_commit"),
}
"""Module → functions that stand between a plan and a charge."""

Tracer = Callable[[FrameType, str, Any], Any]


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A place in the source: the nth line after a function's first, or its return."""

    module: str
    function: str
    line: int
    """0: where the function returns."""

    def __str__(self) -> str:
        return f"{self.module}:{self.function}:{self.line or 'return'}"

    @classmethod
    def parse(cls, text: str) -> "Point":
        """Read one back."""
        module, function, line = text.split(":")
        return cls(module, function, 0 if line == "return" else int(line))


def code_of(module: str, function: str) -> CodeType:
    """Return a function's code, also where a decorator stands around it."""
    found: Any = importlib.import_module(module)
    for name in function.split("."):
        found = getattr(found, name)
    code = inspect.unwrap(found).__code__
    assert isinstance(code, CodeType)
    return code


def points(path: Mapping[str, tuple[str, ...]] = APPLY_PATH) -> Iterator[Point]:
    """Yield every line of functions, read from the compiled source, so that the list cannot rot."""
    for module, functions in path.items():
        for function in functions:
            code = code_of(module, function)
            first = code.co_firstlineno
            lines = {line - first for _, _, line in code.co_lines() if line is not None and line > first}
            yield from (Point(module, function, line) for line in sorted(lines))
            yield Point(module, function, 0)


def place(module: str, function: str, nth: int) -> Point:
    """Return the nth of a function's lines at which something is done, from 0, or with -1 its return."""
    return list(points({module: (function,)}))[nth]


def strike_at(point: Point, nth: int, blow: signal.Signals) -> None:
    """Send this process a signal when it gets to `point` for the nth time; the thread that did takes no step more.

    The signal is the thread's own: one to the process may be taken by another thread, and until that has woken up this
    one would run on, past its point and sometimes to where no clock is looked at any more.
    """
    left = nth

    def reached() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            signal.pthread_kill(threading.get_ident(), blow)

    code = code_of(point.module, point.function)
    _watch({code}, lambda found: reached() if found == point else None, {code: (point.module, point.function)})


def count_to(path: Path) -> Callable[[], None]:
    """Count how often each point is reached; the function returned writes the counts."""
    counts: Counter[Point] = Counter()
    names = {code_of(module, name): (module, name) for module, functions in APPLY_PATH.items() for name in functions}
    _watch(set(names), lambda point: counts.update([point]), names)

    def write() -> None:
        path.write_text(json.dumps({str(point): count for point, count in counts.items()}), encoding="utf-8")

    return write


def _watch(codes: set[CodeType], reached: Callable[[Point], None], names: dict[CodeType, tuple[str, str]]) -> None:
    def enter(frame: FrameType, _event: str, _argument: Any) -> Tracer | None:
        return inside if frame.f_code in codes else None

    def inside(frame: FrameType, event: str, _argument: Any) -> Tracer:
        code = frame.f_code
        if event == "line" and frame.f_lineno > code.co_firstlineno:
            reached(Point(*names[code], frame.f_lineno - code.co_firstlineno))
        elif event == "return":
            reached(Point(*names[code], 0))
        return inside

    threading.settrace(enter)
    sys.settrace(enter)


def child(job: dict[str, Any]) -> NoReturn:
    """Be one command line, from its arguments to its exit code."""
    for name, number in (("out", 1), ("err", 2)):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    random.seed()
    written: Callable[[], None] | None = None
    if job.get("point"):
        strike_at(Point.parse(job["point"]), job["nth"], signal.Signals(job["blow"]))
    elif job.get("count"):
        written = count_to(Path(job["count"]))
    code = 70
    try:
        code = run(job["argv"])
    finally:
        sys.settrace(None)
        if written is not None:
            written()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve jobs until stdin ends; no child outlives this."""
    for name in PRELOADED:
        importlib.import_module(name)
    warm_up()
    # A child that looks for garbage would copy every page of what is imported here.
    gc.freeze()
    # Answers go over a descriptor of their own: descriptor 1 becomes a child's stdout.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    heard, wakes = os.pipe()
    for end in (heard, wakes):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    jobs: dict[int, int] = {}
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(heard, selectors.EVENT_READ)
    rest = b""
    while True:
        for key, _ in selector.select():
            if key.fd == heard:
                os.read(heard, 4096)
                continue
            data = os.read(0, 1 << 20)
            if not data:
                for pid in jobs:
                    os.kill(pid, signal.SIGKILL)
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                job = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    child(job)
                jobs[pid] = job["id"]
                answers.write(json.dumps({"id": job["id"], "pid": pid}) + "\n")
        _reap(jobs, lambda number, code: answers.write(json.dumps({"id": number, "code": code}) + "\n"))


def _reap(jobs: dict[int, int], tell: Callable[[int, int], Any]) -> None:
    while jobs:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tell(jobs.pop(pid), os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
