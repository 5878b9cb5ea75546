"""`reconciler wait`."""

from collections.abc import Mapping

import click

from reconciler import ApplyEvents
from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.progress import Reading, Waiting
from reconciler.cli.session import open_session, say_where
from reconciler.model.observed import TableStatus
from reconciler.render.wait_text import wait_text


@click.command("wait")
@options.paths
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait no longer than this.")
@options.show_rows
@options.targets
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    timeout: float | None,
    show_rows: bool,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
) -> int:
    """Wait until the tables are idle and every accepted call is settled.

    As `apply --wait` does, without sending: counts what became of the cells, and writes it to the ledger. Exits 6 if
    cells failed or did not start, 7 if a call is in doubt. Running out of time is not an error.
    """
    console = Console(context.obj)
    reading, progress = Reading(console), _Progress(console)
    with open_session(console, on_progress=reading.take) as session, reading:
        say_where(console, session)
        report = session.wait(paths, target=target, exclude=exclude, timeout_seconds=timeout, events=progress.events())
    console.tell(console.fit(wait_text(report, console.paint, rows=show_rows)))
    return report.exit_code()


class _Progress:
    """The bar while waiting."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Waiting | None = None

    def events(self) -> ApplyEvents:
        """Return the callbacks for what happens."""
        return ApplyEvents(waiting=self._waiting, on_poll=self._poll, on_trouble=self._console.info)

    def _waiting(self, cells: int) -> Waiting:
        self._bar = Waiting(self._console, cells)
        return self._bar

    def _poll(self, statuses: Mapping[str, TableStatus]) -> None:
        if self._bar is not None:
            self._bar.poll(statuses)
