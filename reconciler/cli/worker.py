"""`reconciler worker`."""

import signal
from types import FrameType

import click

from reconciler import ApplyEvents, CallResult
from reconciler.cli.console import Console, exits
from reconciler.cli.receipt import plain_line
from reconciler.cli.session import open_session, say_where
from reconciler.fleet.fleet import DEFAULT_WORKSPACE, Fleet
from reconciler.fleet.worker import Worker, WorkerEvents, WorkerOptions


@click.command("worker")
@click.option(
    "--workspace",
    "workspaces",
    metavar="NAME",
    multiple=True,
    default=(DEFAULT_WORKSPACE,),
    show_default=True,
    help="Whose applies to carry out, with the token of this environment; may be given several times.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Jobs at once. The ledger's server gets at most 4 connections more.",
)
@click.pass_context
@exits
def command(context: click.Context, /, workspaces: tuple[str, ...], concurrency: int) -> int:
    """Carry out what was submitted for a workspace, until a signal ends it.

    SIGTERM and SIGINT finish the calls in flight; a second one ends the waiting for them. What is left is taken over by
    other workers, also from one that was killed.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        say_where(console, session)
        apply = ApplyEvents(on_result=lambda result: _tell(console, result), on_trouble=console.info)
        events = WorkerEvents(on_trouble=console.info, apply=apply)
        worker = Fleet(session).worker(WorkerOptions(workspaces, concurrency), events)
        _end_by_signal(worker)
        console.info(f"Working for {', '.join(workspaces)}.", event="started")
        worker.run()
        console.info("Stopped.", event="stopped")
    return 0


def _tell(console: Console, result: CallResult) -> None:
    state = result.ending.state.value if result.ending else "not_attempted"
    console.info(plain_line(result), event="call", call=result.call.id, table=result.call.table_id, state=state)


def _end_by_signal(worker: Worker) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        worker.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
