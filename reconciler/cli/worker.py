"""`reconciler worker`."""

import signal
from contextlib import AbstractContextManager, ExitStack
from types import FrameType

import click

from reconciler import ApplyEvents, CallResult
from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.receipt import plain_line
from reconciler.cli.session import open_session, say_where
from reconciler.errors import SettingsError
from reconciler.fleet.fleet import DEFAULT_WORKSPACE, Fleet
from reconciler.text.sanitize import one_line

try:
    from reconciler.fleet.worker import Worker, WorkerEvents, WorkerOptions, current_ids

    INSTALLED = True
except ModuleNotFoundError:
    INSTALLED = False


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
@click.option(
    "--metrics-port",
    "metrics_at",
    type=options.Endpoint(),
    metavar="[HOST:]PORT",
    help="Serve /metrics, /livez and /readyz there; usually 9464. Without HOST on every address, as probes need.",
)
@click.pass_context
@exits
def command(
    context: click.Context, /, workspaces: tuple[str, ...], concurrency: int, metrics_at: tuple[str, int] | None
) -> int:
    """Carry out what was submitted for a workspace, until a signal ends it.

    SIGTERM and SIGINT finish the calls in flight; a second one ends the waiting for them. What is left is taken over by
    other workers, also from one that was killed.
    """
    if not INSTALLED:
        raise SettingsError("the worker is not installed", hint="pip install 'extruct-reconciler[worker]'")
    console = Console(context.obj)
    with ExitStack() as opened:
        session = opened.enter_context(open_session(console))
        say_where(console, session)

        def trouble(message: str) -> None:
            console.info(message, **current_ids())

        apply = ApplyEvents(on_result=lambda result: _tell(console, result), on_trouble=trouble)
        how = WorkerOptions(workspaces, concurrency, project=console.settings)
        worker = Fleet(session).worker(how, WorkerEvents(on_trouble=trouble, apply=apply))
        if metrics_at is not None:
            opened.enter_context(_served(worker, *metrics_at))
        _end_by_signal(worker)
        console.info(f"Working for {', '.join(workspaces)}.", event="started")
        worker.run()
        console.info("Stopped.", event="stopped")
    return 0


def _served(worker: "Worker", host: str, port: int) -> AbstractContextManager[object]:
    """Serve what a worker tells those who watch it. Raises SettingsError."""
    try:
        return worker.watch.server(host, port)
    except OSError as error:
        at = f"port {port} of {one_line(host)}" if host else f"port {port}"
        raise SettingsError(
            f"cannot listen on {at}: {error.strerror}", hint="Name another one with --metrics-port [HOST:]PORT."
        ) from None


def _tell(console: Console, result: CallResult) -> None:
    state = result.ending.state.value if result.ending else "not_attempted"
    ids = {**current_ids(), "call": result.call.id, "table": result.call.table_id}
    console.info(plain_line(result), event="call", state=state, **ids)


def _end_by_signal(worker: "Worker") -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        worker.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
