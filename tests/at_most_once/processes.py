"""Command lines as real processes, many at once: started, signalled, waited for."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Self

from tests.at_most_once.driver import Point

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 60.0
"""Seconds after which a process that does not end fails the test."""


@dataclass
class Process:
    """One command line at work."""

    number: int
    out_path: Path
    err_path: Path
    pid: int = 0
    code: int | None = None
    """The exit code; minus the signal's number where one ended it."""
    _begun: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def answer(self, said: Mapping[str, Any]) -> None:
        """Take what the driver says about the process."""
        if "pid" in said:
            self.pid = said["pid"]
            self._begun.set()
        else:
            self.code = said["code"]
            self._ended.set()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        assert self._begun.wait(LONGEST)
        if self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float = LONGEST) -> int:
        """Wait for its end and return its exit code."""
        if not self._ended.wait(seconds):
            self.signal(signal.SIGKILL)
            raise AssertionError(f"still at work after {seconds} s; stdout:\n{self.out}\nstderr:\n{self.err}")
        assert self.code is not None
        return self.code

    @property
    def has_ended(self) -> bool:
        """True once it is gone."""
        return self._ended.is_set()

    @property
    def out(self) -> str:
        """Everything it wrote to stdout so far."""
        return self.out_path.read_text(encoding="utf-8") if self.out_path.exists() else ""

    @property
    def err(self) -> str:
        """Everything it wrote to stderr so far."""
        return self.err_path.read_text(encoding="utf-8") if self.err_path.exists() else ""

    @property
    def json(self) -> Any:
        """Its answer as JSON."""
        return json.loads(self.out)


class Driver:
    """The process that forks them all. Usable from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._processes: dict[int, Process] = {}
        self._driver = subprocess.Popen(
            [sys.executable, "-m", "tests.at_most_once.driver"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._listener = threading.Thread(target=self._listen, name="driver", daemon=True)
        self._listener.start()

    def start(
        self,
        arguments: list[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        at: tuple[Point, int] | None = None,
        blow: signal.Signals = signal.SIGKILL,
        count_to: Path | None = None,
    ) -> Process:
        """Start `reconciler` with `arguments` in `folder`; `at`: the point, and which time there, that ends it."""
        number = next(self._numbers)
        process = Process(number, self._folder / f"{number}.out", self._folder / f"{number}.err")
        job: dict[str, Any] = {
            "id": number,
            "argv": arguments,
            "cwd": str(folder),
            "env": {"PATH": os.environ.get("PATH", ""), "HOME": str(self._folder), **environment},
            "out": str(process.out_path),
            "err": str(process.err_path),
            "count": None if count_to is None else str(count_to),
        }
        if at is not None:
            job |= {"point": str(at[0]), "nth": at[1], "blow": int(blow)}
        with self._lock:
            self._processes[number] = process
            assert self._driver.stdin is not None
            self._driver.stdin.write(json.dumps(job).encode() + b"\n")
            self._driver.stdin.flush()
        return process

    def run(self, arguments: list[str], folder: Path, environment: Mapping[str, str], **more: Any) -> Process:
        """Start one and wait for its end."""
        process = self.start(arguments, folder, environment, **more)
        process.wait()
        return process

    def close(self) -> None:
        """End the driver and every process it still has."""
        assert self._driver.stdin is not None
        self._driver.stdin.close()
        self._driver.wait(LONGEST)
        self._listener.join(LONGEST)

    def _listen(self) -> None:
        assert self._driver.stdout is not None
        with self._driver.stdout as answers:
            for line in answers:
                said = json.loads(line)
                with self._lock:
                    process = self._processes[said["id"]]
                process.answer(said)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def stopped(process: Process) -> Iterator[None]:
    """Hold a process still for the length of a `with` block, as a machine that swaps or a laptop that sleeps does."""
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)
