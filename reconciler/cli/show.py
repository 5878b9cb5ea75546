"""`reconciler show`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.pages import assets
from reconciler.documents import plan_reader
from reconciler.documents.report_reader import report_of
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.report import ExitCode
from reconciler.operations.saved_file import SavedFile, read_saved_file
from reconciler.render.alignment import width_of
from reconciler.render.colour import Paint
from reconciler.render.page.plan_page import plan_page
from reconciler.render.page.report_page import report_page
from reconciler.render.page.snapshot_page import snapshot_page
from reconciler.render.plan_markdown import plan_markdown
from reconciler.render.plan_parts import addressed, refusal_text
from reconciler.render.plan_text import PlanView, plan_text
from reconciler.render.report_markdown import report_markdown
from reconciler.render.report_text import report_text, result_text
from reconciler.render.review_text import review_text
from reconciler.render.snapshot_text import snapshot_markdown, snapshot_text

FORMATS = ("text", "markdown", "html")


@click.command("show")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="How stdout is written.")
@options.show_rows
@click.pass_context
@exits
def command(context: click.Context, /, file: str, form: str, show_rows: bool) -> int:
    """Show a saved plan, report or snapshot.

    Reads FILE and nothing else: no project, no token, no network. The page of `--format html` is one file that loads
    nothing; that of a plan has a map of the cells that are due.
    """
    console = Console(context.obj)
    view = PlanView(is_preview=False, lists_all=console.flags["verbose"], rows=show_rows)
    text = _shown(read_saved_file(Path(file), os.environ), form, console.paint, view).rstrip("\n")
    console.answer(console.fit(text) if form == "text" else text)
    return ExitCode.OK


def _shown(found: SavedFile, form: str, paint: Paint, view: PlanView) -> str:
    if found.plan is not None:
        return _plan(found.plan, form, paint, view)
    if found.report is not None:
        return _report(found.report, form, paint, rows=view.rows)
    assert found.snapshot is not None
    return _snapshot(found.snapshot, form)


def _plan(content: Mapping[str, Any], form: str, paint: Paint, view: PlanView) -> str:
    if form == "html":
        return plan_page(content, assets())
    if form == "markdown":
        return plan_markdown(content)
    plan, violations = plan_reader.plan_of(content), plan_reader.violations_of(content)
    head = review_text(plan_reader.impact_of(content), plan_reader.taken_of(content), paint)
    shown = head + plan_text(plan, plan_reader.limits_of(content), violations, paint, view=view)
    made = f"Plan {content['plan_id'][:19]}, made {plan_reader.text(content['created_at'])}."
    return "\n".join([shown, *([refusal_text(violations)] if violations else []), made])


def _report(content: Mapping[str, Any], form: str, paint: Paint, *, rows: bool) -> str:
    if form == "html":
        return report_page(content, assets())
    if form == "markdown":
        return report_markdown(content)
    report = report_of(content)
    width = max((width_of(addressed(result.call)) for result in report.results), default=0)
    calls = [result_text(result, width, paint) for result in report.results]
    return "\n".join([*calls, *([""] if calls else []), report_text(report, paint, content["exit_code"], rows=rows)])


def _snapshot(live: LiveSnapshot, form: str) -> str:
    if form == "html":
        return snapshot_page(live, assets())
    return snapshot_markdown(live) if form == "markdown" else snapshot_text(live)
