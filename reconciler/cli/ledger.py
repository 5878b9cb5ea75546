"""`reconciler ledger …`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import click

from reconciler.cli import adopt, options
from reconciler.cli.console import Console, exits
from reconciler.cli.group import Group
from reconciler.cli.options import completed_by
from reconciler.cli.pages import assets
from reconciler.cli.session import open_session
from reconciler.documents import ledger_file
from reconciler.documents.ledger_csv import calls_csv, spend_csv
from reconciler.documents.reconciliation_file import reconciliation_document
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import ADOPTED, SETTLED, CallFilter, Grouping
from reconciler.model.report import ExitCode
from reconciler.render.ledger_text import call_text, calls_text, leases_text, spend_text
from reconciler.render.page.spend_page import spend_page
from reconciler.render.reconciliation_text import reconciliation_text
from reconciler.text.addresses import STREAM
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

form_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How stdout is written."
)
reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the ledger.")


@click.group("ledger", cls=Group)
def command() -> None:
    """Show what was spent, when and by whom."""


command.add_command(adopt.command)


@command.command("list")
@click.option(
    "--state",
    type=click.Choice([*(state.value for state in CallState), SETTLED, ADOPTED]),
    help="Only calls in this state; `accepted` includes those that are `settled`.",
)
@click.option("--address", metavar="NAME", shell_complete=completed_by("runs"),
              help="Only this manifest, or this manifest/run.")  # fmt: skip
@click.option("--label", metavar="KEY=VALUE", shell_complete=completed_by("labels"),
              help="Only calls with this label.")  # fmt: skip
@options.period
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The newest calls only.")
@click.option("--format", "form", type=click.Choice(["text", "json", "csv"]), default="text",
              help="How stdout is written.")  # fmt: skip
@click.pass_context
@exits
def list_(context: click.Context, /, form: str, **asked: Any) -> int:
    """List calls, the newest first, with their sums.

    A call is accepted until its cells were counted on an idle table, and settled from then on.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        calls = session.ledger.calls(_filter(**asked))
    if form == "json":
        console.answer(_json([ledger_file.call_part(call) for call in calls]))
    elif form == "csv":
        console.answer(calls_csv(calls))
    else:
        console.answer(console.fit(calls_text(calls, is_cut=len(calls) == asked["limit"], width=console.width)))
    return ExitCode.OK


def _filter(*, state: str | None, **chosen: Any) -> CallFilter:
    """Return the filter for a state as the list names it, and for what else is chosen."""
    if state is None:
        return CallFilter(**chosen)
    if state == ADOPTED:
        return CallFilter(adopted=True, **chosen)
    states = [CallState.ACCEPTED if state == SETTLED else CallState(state)]
    return CallFilter(states=states, settled=True if state == SETTLED else None, adopted=False, **chosen)


@command.command("show")
@click.argument("call", shell_complete=completed_by("call_ids"))
@form_option
@click.pass_context
@exits
def show(context: click.Context, /, call: str, form: str) -> int:
    """Show one call and its events. CALL is the start of its id."""
    console = Console(context.obj)
    with open_session(console) as session:
        record, events = session.ledger.call(call)
    if form == "json":
        console.answer(_json(ledger_file.call_document(record, events)))
    else:
        console.answer(console.fit(call_text(record, events)))
    return ExitCode.OK


@command.command("report")
@click.option("--by", type=click.Choice(get_args(Grouping)), default="manifest", show_default=True, help="Group by.")
@click.option(
    "--label",
    metavar="KEY[=VALUE]",
    help="With --by label and label-month: this label; as KEY=VALUE: only these calls.",
)
@options.period
@click.option(
    "--archive",
    "archives",
    metavar="FILE",
    multiple=True,
    type=click.Path(dir_okay=False),
    help="Count the calls of this archive too; may be given several times.",
)
@click.option("--format", "form", type=click.Choice(["text", "json", "csv", "html"]), default="text",
              help="How stdout is written; html is one page that loads nothing.")  # fmt: skip
@click.pass_context
@exits
def report(
    context: click.Context,
    /,
    by: Grouping,
    label: str | None,
    since: float | None,
    until: float | None,
    archives: tuple[str, ...],
    form: str,
) -> int:
    """Sum what was spent, by table, manifest, label, month and more.

    A call with two labels counts in both of their lines, and once in the total. By column, cells are as planned, and a
    call's credits are divided by them.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        found = session.ledger.report(by, label=label, since=since, until=until, archives=archives)
    if form == "csv":
        console.answer(spend_csv(found, by))
    elif form == "text":
        console.answer(console.fit(spend_text(found, by, console.width)))
    else:
        content = ledger_file.spend_document(found, by, since, until)
        console.answer(_json(content) if form == "json" else spend_page(content, assets()).rstrip("\n"))
    return ExitCode.OK


@command.command("reconcile")
@options.paths
@options.period
@form_option
@click.pass_context
@exits
def reconcile(
    context: click.Context, /, paths: tuple[str, ...], since: float | None, until: float | None, form: str
) -> int:
    """Compare the ledger with the balance and the live tables, to find what was spent or run outside it.

    Every apply keeps the balance that it finds. Between two balances, credits are ours (spent by calls in the ledger),
    outside (gone without a call) or refunded. Also lists the manifests' tables with done cells that the ledger never
    bought, and says between which applies cells were run outside.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        found = session.ledger.reconcile(session.load(paths), since=since, until=until)
    is_json = form == "json"
    console.answer(_json(reconciliation_document(found)) if is_json else console.fit(reconciliation_text(found)))
    return ExitCode.OK


@command.command("resolve")
@click.argument("call", shell_complete=completed_by("call_ids"))
@click.option("--landed/--not-landed", default=None, required=True, help="Was it paid for?")
@reason_option
@click.pass_context
@exits
def resolve(context: click.Context, /, call: str, landed: bool, reason: str) -> int:
    """End the doubt about a call, after you checked its table. CALL is the start of its id.

    Landed: its cells count as bought. Not landed: they are due again at the next plan.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        record, state = session.ledger.resolve(call, landed=landed, reason=reason)
    console.tell(f"{record.address} ({record.id[:8]}, {counted(record.cells, 'cell')}) is {state.value} now.")
    return ExitCode.OK


@command.command("leases")
@click.pass_context
@exits
def leases(context: click.Context, /) -> int:
    """List the tables that an apply holds."""
    console = Console(context.obj)
    with open_session(console) as session:
        console.answer(console.fit(leases_text(session.ledger.leases(), console.width)))
    return ExitCode.OK


@command.command("release")
@click.argument("table", shell_complete=completed_by("tables"))
@reason_option
@click.pass_context
@exits
def release(context: click.Context, /, table: str, reason: str) -> int:
    """Take a table's lease away from a dead apply. One that is still alive stops at its next call."""
    console = Console(context.obj)
    with open_session(console) as session:
        lease = session.ledger.release(table, reason=reason)
    console.tell(f"Table {lease.table_id} is free; {lease.actor.name} held it.")
    return ExitCode.OK


@command.command("init")
@click.pass_context
@exits
def init(context: click.Context, /) -> int:
    """Create the ledger, or upgrade an older one.

    The only command that creates one if `CI` is set: a new ledger does not know what was bought before.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        session.ledger.initialise()
        console.tell(f"The ledger at {session.ledger.location} is ready.")
    return ExitCode.OK


@command.command("compact")
@click.pass_context
@exits
def compact(context: click.Context, /) -> int:
    """Fold old calls into checkpoints, so that plans read less; nothing that was recorded is lost.

    An apply does the same where enough has gathered. Tables that an apply holds are left alone.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        compacted = session.ledger.compact()
    for message in compacted.left_alone:
        console.info(f"Left alone: {message}")
    console.tell(f"Folded {counted(compacted.calls, 'settled call')} of {counted(compacted.tables, 'table')}.")
    return ExitCode.OK


@command.command("archive")
@click.option(
    "--before",
    required=True,
    metavar="DATE",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Calls begun before this day, UTC.",
)
@click.option("--out", required=True, metavar="FILE", type=click.Path(dir_okay=False), help="A new file.")
@click.pass_context
@exits
def archive(context: click.Context, /, before: datetime, out: str) -> int:
    """Move the audit trail of old calls out of the ledger, into a file.

    What planning needs of them stays. `ledger report --archive FILE` counts them, and `ledger import FILE` brings them
    back. Calls that are in doubt or not settled stay where they are.
    """
    if out == STREAM:
        raise click.UsageError("an archive must be on the disk before its calls leave the ledger; name a file")
    console = Console(context.obj)
    with open_session(console) as session:
        moved = session.ledger.archive(before.replace(tzinfo=UTC), Path(out))
    console.tell(f"Moved {counted(moved, 'call')} into {one_line(out)}.")
    return ExitCode.OK


@command.command("export")
@click.pass_context
@exits
def export(context: click.Context, /) -> int:
    """Write the whole ledger to stdout as JSON lines."""
    console = Console(context.obj)
    with open_session(console) as session:
        for line in session.ledger.export():
            console.answer(line.rstrip("\n"))
    return ExitCode.OK


@command.command("import")
@click.argument("file", type=click.Path(allow_dash=True))
@click.pass_context
@exits
def import_(context: click.Context, /, file: str) -> int:
    """Add an export to this ledger; what it holds already stays. FILE may be `-`."""
    console = Console(context.obj)
    with open_session(console) as session:
        loaded = session.ledger.load_file(file)
    counts = [counted(loaded.calls, "call"), counted(loaded.events, "event"), counted(loaded.tables, "table")]
    console.tell(f"Imported {', '.join(counts)}.")
    return ExitCode.OK


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True)
