"""`reconciler drift`."""

import json
from dataclasses import replace

import click

from reconciler.cli import options
from reconciler.cli.console import Console, exits, utc_now
from reconciler.cli.session import open_session
from reconciler.documents.status_file import drift_document
from reconciler.errors import ManifestError
from reconciler.model.drift import FAILS_ON, DriftKind
from reconciler.model.plan import Plan
from reconciler.model.report import ExitCode
from reconciler.render.colour import plain
from reconciler.render.drift_text import drift_text
from reconciler.render.ended_text import ended_text
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

NONE = "none"


def _kinds(_: click.Context, __: click.Parameter, text: str) -> tuple[DriftKind, ...]:
    """Return the kinds of drift in a list with commas."""
    named = [each.strip() for each in text.split(",")]
    if named == [NONE]:
        return ()
    known = {kind.value: kind for kind in DriftKind}
    for each in named:
        if each not in known:
            raise click.BadParameter(f"{one_line(each)!r} is not one of {', '.join(known)}, nor is this `{NONE}` alone")
    return tuple(known[each] for each in named)


@click.command("drift")
@options.paths
@click.option(
    "--fail-on",
    metavar="KINDS",
    default=",".join(FAILS_ON),
    show_default=True,
    callback=_kinds,
    help=f"Exit 2 if there is a cause of these kinds: {', '.join(DriftKind)}; or {NONE}.",
)
@click.option("--outside", is_flag=True, help="Also compare the ledger with the balance and whole tables.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How stdout is written.")
@click.option(
    "--stale",
    is_flag=True,
    help="Also list answers that predate the present prompt or inputs, with the cost of buying them again.",
)
@options.targets
@options.notify_host
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    fail_on: tuple[DriftKind, ...],
    form: str,
    stale: bool,
    outside: bool,
    notify_hosts: str | None,
    **selection: tuple[str, ...],
) -> int:
    """List why cells are not as the manifests want them, one cause per line, and exit 2 if one counts; for cron.

    A cause is due (the next apply buys its cells), a dead end (no apply does, until you change something) or a call in
    doubt. Sends only GET and writes nothing. Exits 0 if no cause counts, 1 if something cannot be read. Answers that
    are stale, or not as their run expects, are listed and do not count: nothing buys them unasked.
    """
    console = Console(context.obj)
    if DriftKind.OUTSIDE in fail_on and not outside:
        raise click.UsageError("--fail-on outside goes with --outside, which looks for it")
    with open_session(console, notify_hosts=notify_hosts) as session:
        targets = session.load(paths, **selection)
        found = session.drift(targets, stale=stale)
        if outside:
            found = replace(found, outside=session.ledger.reconcile(targets))
    if form == "json":
        document = drift_document(found, utc_now(), fail_on)
        console.answer(json.dumps(document, indent=2, ensure_ascii=True))
    elif found.causes or found.stale or found.unmet:
        console.answer(console.fit(drift_text(found)))
    elif console.is_terminal and not found.errored:  # cron's mail stays empty
        console.info(f"Nothing has drifted: {counted(len(found.plan.tables), 'table')}.")
    if found.ended:
        console.info(ended_text(found.ended, plain).rstrip("\n"))
    _say_unseen(console, found.plan)
    if found.errored:
        raise ManifestError(found.plan.diagnostics)
    code = ExitCode.CHANGES if found.fails_on(fail_on) else ExitCode.OK
    session.notify(found, code)
    return code


def _say_unseen(console: Console, plan: Plan) -> None:
    """Say what may show later."""
    for table in plan.tables:
        if not table.is_finished:
            name = f" {one_line(table.name)}" if table.has_siblings else ""
            console.info(f"{table.manifest}: its table{name} is running; its due cells show once it is idle.")
    for waiting in plan.pending:
        console.info(f"{waiting.manifest}: waits for {one_line(waiting.waits_for)}, which does not exist yet.")
