"""`reconciler plan`."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import click

from reconciler import SessionPlan, cli
from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.pages import parted, plan_page, without_stdout
from reconciler.cli.plan_outcome import PlanOutcome, outputs
from reconciler.cli.progress import Reading
from reconciler.cli.session import open_session, say_cost, say_where
from reconciler.documents import plan_file
from reconciler.errors import ManifestError, ReconcilerError
from reconciler.model.report import ExitCode
from reconciler.operations.atomic_file import profile_text, refuse_own_files, write_whole
from reconciler.operations.profile import Phase, sizes_of
from reconciler.render.ended_text import ended_text
from reconciler.render.plan_text import PlanView, plan_text
from reconciler.render.review_text import review_text


@click.command("plan")
@options.paths
@click.option(
    "--out",
    metavar="FILE",
    multiple=True,
    type=click.Path(dir_okay=False),
    help="Save the plan: as a page if the name ends with .html, else as JSON; - is stdout. May be given twice.",
)
@click.option(
    "--format", "form", type=click.Choice(options.PLAN_FORMATS), default="text", help="How stdout is written."
)
@click.option(
    "--against",
    metavar="REF",
    help="Show what changed since a git ref or a folder, and which calls that change causes.",
)
@click.option(
    "--live-snapshot",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Plan from a file of `reconciler snapshot`: no network, no token, no ledger.",
)
@options.show_rows
@options.targets
@options.limits
@options.detailed_exitcode
@options.profile
@outputs
@click.pass_context
@exits
def command(context: click.Context, /, form: str, outputs: str | None, problems: str | None, **given: Any) -> int:
    """Show which run calls are due, and send nothing.

    Reads the manifests at PATH, the live tables they name and the ledger. Sends nothing but GET.
    """
    console, outcome = Console(context.obj), PlanOutcome(outputs, problems)
    given["out"], form = without_stdout(given["out"], form)
    try:
        return _plan(console, outcome, form=form, **given)
    except ReconcilerError as error:
        outcome.failed(error)
        if isinstance(error, ManifestError) and cli.ci_output.answer_problems(console, form, error.problems):
            return ExitCode.ERROR
        raise


def _plan(
    console: Console,
    outcome: PlanOutcome,
    *,
    paths: tuple[str, ...],
    out: tuple[str, ...],
    form: str,
    against: str | None,
    live_snapshot: str | None,
    show_rows: bool,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
    limits_from: str | None,
    detailed_exitcode: bool,
    profile: str | None,
    **limits: str | None,
) -> int:
    reading = Reading(console)
    with (
        reading,
        open_session(console, limits_from=limits_from, paths=paths, on_progress=reading.take, **limits) as session,
    ):
        if live_snapshot is None:
            say_where(console, session)
        targets = session.load(paths, target=target, exclude=exclude)
        for option, name in [*(("--out", name) for name in out), ("--profile", profile)]:
            if name is not None:
                refuse_own_files(option, name, session.own_files())
        is_drawn = form == "html" or bool(parted(out)[0])
        plan = session.plan(targets, against=against, live_snapshot=live_snapshot, maps=is_drawn)
        cost = session.cost()
    say_cost(console, cost)
    with session.profile.phase(Phase.WRITING):
        view = PlanView(lists_all=console.flags["verbose"], rows=show_rows, width=console.width)
        document = cache(lambda: session.document(plan))  # built only if needed: text output of a large plan needs none
        _answer(console, document, plan, view, form, out)
    if profile is not None:
        write_whole(Path(profile), profile_text(session.profile.document("plan", cost, sizes_of(plan))))
    code = ExitCode.CHANGES if detailed_exitcode and plan.has_due else ExitCode.OK
    if plan.errored or plan.violations:
        code = ExitCode.ERROR if plan.errored else ExitCode.LIMIT
    outcome.made(document, code, is_saved=bool(parted(out)[1]))
    return code


def _answer(
    console: Console,
    document: Callable[[], dict[str, Any]],
    plan: SessionPlan,
    view: PlanView,
    form: str,
    outs: tuple[str, ...],
) -> None:
    """Save the plan if it is to be saved, and write it to stdout unless a page is saved."""
    pages, documents = parted(outs)
    page = plan_page(document(), plan) if pages or form == "html" else ""
    for name in outs:
        write_whole(Path(name), page if name in pages else plan_file.iter_json(document()))
        console.info(f"The plan is saved in {name}.")
    if form == "html":
        if not pages:
            console.stream([page])
    elif form == "json":
        console.stream(plan_file.iter_json(document()))
    elif form == "text" or not cli.ci_output.answer_plan(console, form, document(), is_saved=bool(documents)):
        head = review_text(plan.against, plan.taken, console.paint) + ended_text(plan.ended, console.paint)
        # /dev/stdout is another file to the next command.
        view = replace(view, saved_in=next((name for name in documents if not name.startswith("/dev/")), ""))
        text = plan_text(plan, plan.limits, plan.violations, console.paint, view=view)
        console.answer(console.fit(head + text))
