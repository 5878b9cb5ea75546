"""`reconciler demo`: the whole loop against a simulator on this machine, in a temporary folder."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import click

from reconciler import open_session
from reconciler.cli.console import Console, exits
from reconciler.cli.group import run
from reconciler.errors import SettingsError
from reconciler.model.report import ExitCode
from reconciler.render.colour import Colour
from reconciler.simulator.world.sample import sample

try:
    from reconciler.simulator.server import serve

    INSTALLED = True
except ModuleNotFoundError:
    INSTALLED = False

SPEED = 60.0
"""Simulated seconds per second: the cells take about a minute of simulated time."""

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
spec:
  manifests: [manifests/]
  limits: {max_credits: 500}
"""

MANIFESTS = {
    "target-accounts.yaml": """\
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: target-accounts
  labels: {team: gtm}
spec:
  table: 0a1a669a-9a40-497c-bb00-d49dd8ee5b74
  runs:
    - name: fill              # every cell without a value
      mode: new
    - name: retry             # and those that failed, three times at most
      mode: failed
      max_attempts: 3
""",
    "partners.yaml": """\
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: partners
  labels: {team: alliances}
spec:
  table: 5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50
  runs:
    - name: refresh           # every cell, once per revision
      mode: all
      columns: [recent_news]
      revision: 2026-q4
""",
}

STEPS = (
    ("Check the manifests, which needs no account:", ["validate"]),
    ("See what would be paid for, and why:", ["plan"]),
    ("Send it, each call once, and wait:", ["apply", "--yes"]),
    ("Plan again. Failed cells are tried again, nothing else is bought twice:", ["plan"]),
    ("Apply until nothing is due:", ["apply", "--yes"]),
    ("And once more:", ["plan"]),
    ("See what it cost:", ["ledger", "report", "--by", "manifest"]),
)


@click.command("demo")
@click.pass_context
@exits
def command(context: click.Context, /) -> int:
    """Run the whole loop against the simulator, without an account.

    Starts the simulator, writes two manifests into a temporary folder, validates, plans, applies, waits, plans again
    and reports what was spent. Leaves nothing behind.
    """
    if not INSTALLED:
        raise SettingsError("the simulator is not installed", hint="pip install 'extruct-reconciler[simulator]'")
    console = Console(context.obj)
    with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as folder, serve(sample(), speed=SPEED) as simulator:
        root = Path(folder)
        (root / "manifests").mkdir()
        (root / "reconciler.yaml").write_text(PROJECT, encoding="utf-8")
        for name, text in MANIFESTS.items():
            (root / "manifests" / name).write_text(text, encoding="utf-8")
        with chdir(root), environment(EXTRUCT_API_URL=simulator.url, EXTRUCT_API_TOKEN=simulator.token):
            with open_session() as session:
                session.ledger.initialise()  # in CI no other command creates one
            for said, arguments in STEPS:
                console.answer(f"{said}\n{console.paint('$ reconciler ' + ' '.join(arguments), Colour.STRONG)}")
                code = run(arguments)
                if code not in (ExitCode.OK, ExitCode.PARTIAL):
                    return code
                console.answer("")
    console.answer("That was all. The simulator is stopped and the folder deleted.")
    return ExitCode.OK


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables for the length of a `with` block, and remove those that would override them."""
    proxies = ("http_proxy", "all_proxy", "ALL_PROXY")  # the simulator is on this machine
    strong = ("EXTRUCT_API_TOKEN_FILE", "RECONCILER_PROJECT", "RECONCILER_LEDGER", *proxies)
    before = dict(os.environ)
    try:
        for name in strong:
            os.environ.pop(name, None)
        os.environ.update(values)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
