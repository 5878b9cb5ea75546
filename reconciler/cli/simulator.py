"""`reconciler simulator`."""

from pathlib import Path

import click
import msgspec

from reconciler.cli.console import Console, exits
from reconciler.errors import SettingsError
from reconciler.model.report import ExitCode
from reconciler.simulator.faults import Fault, parse_fault
from reconciler.simulator.world.clock import RunningClock
from reconciler.simulator.world.sample import sample
from reconciler.simulator.world.workspace_file import load
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

try:
    from reconciler.simulator.application import Simulator
    from reconciler.simulator.live import make
    from reconciler.simulator.server import NotLoopbackError, serve_forever

    INSTALLED = True
except ModuleNotFoundError:
    INSTALLED = False


@click.command("simulator")
@click.option("--workspace", metavar="FILE", type=click.Path(dir_okay=False), help="Initial tables. Default: a sample.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="A loopback address.")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(0, 65535), help="0 is any free port.")
@click.option("--speed", default=60.0, show_default=True, type=click.FloatRange(0, min_open=True), metavar="N",
              help="Simulated seconds per real second.")  # fmt: skip
@click.option("--seed", default=7, show_default=True, help="Decides ids, values, failures and durations.")
@click.option("--fault", "faults", multiple=True, metavar="TEXT",
              help='E.g. "status method=POST path=/v1/tables/*/run status=500 times=1". Repeatable.')  # fmt: skip
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    workspace: str | None,
    host: str,
    port: int,
    speed: float,
    seed: int,
    faults: tuple[str, ...],
) -> int:
    """Serve a local stand-in of the API until Ctrl-C.

    Nothing it does costs anything or leaves this machine. `/__simulator/charges` lists what would have been paid for.
    """
    if not INSTALLED:
        raise SettingsError("the simulator is not installed", hint="pip install 'extruct-reconciler[simulator]'")
    console = Console(context.obj)
    described = sample() if workspace is None else load(Path(workspace))
    described.faults.extend(map(_fault, faults))
    simulator = make(described, seed=seed, clock=RunningClock(speed))

    def ready(url: str) -> None:
        console.answer(_greeting(url, simulator, described.token, f"speed {speed:g}, seed {seed}"))

    try:
        serve_forever(simulator, host, port, ready)
    except NotLoopbackError:
        raise SettingsError(
            f"the simulator listens on loopback only, not on {host}",
            hint="It accepts a known token and obeys anyone who reaches it. Use 127.0.0.1, ::1 or localhost.",
        ) from None
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}", hint="Try --port 0.") from None
    except KeyboardInterrupt:
        console.info("Simulator stopped.")
    return ExitCode.OK


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except (ValueError, msgspec.ValidationError) as error:
        raise SettingsError(f"--fault `{text}`: {error}", hint="A kind, then name=value fields.") from None


def _greeting(url: str, simulator: "Simulator", token: str, pace: str) -> str:
    tables = [table for table in simulator.world.tables.values() if table.parent_table is None]
    rows = sum(len(table.order) for table in tables)
    return "\n".join(
        [
            f"Simulator at {url} · {counted(len(tables), 'table')}, {counted(rows, 'row')} · {pace}",
            *(f"  {table.id}  {one_line(table.name)}" for table in tables[:10]),
            "Point the reconciler at it, then run `reconciler plan`:",
            f"  export EXTRUCT_API_URL={url}",
            f"  export EXTRUCT_API_TOKEN={token}",
            f"What was paid for: curl {url}/__simulator/charges",
            "Stop with Ctrl-C.",
        ]
    )
