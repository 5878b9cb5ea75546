"""`reconciler applies`."""

import json
from datetime import UTC, datetime
from typing import Any

import click

from reconciler.cli.console import Console, exits
from reconciler.cli.session import open_session
from reconciler.fleet.fleet import Fleet
from reconciler.model.submitted import ApplyProgress
from reconciler.text.numbers import json_number, rfc3339
from reconciler.text.sanitize import one_line

_form = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How stdout is written."
)


@click.group("applies")
def command() -> None:
    """List, show and stop the applies that workers carry out."""


@command.command("list")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), default=20, show_default=True, help="The newest N.")
@_form
@click.pass_context
@exits
def listed(context: click.Context, /, limit: int, form: str) -> int:
    """List the newest applies, the newest first."""
    console = Console(context.obj)
    with open_session(console) as session:
        found = Fleet(session).listed(limit)
    documents = [_document(each) for each in found]
    if form == "json":
        console.answer(json.dumps({"applies": documents}, indent=2))
    else:
        console.answer("\n".join(map(_line, documents)) or "No apply was submitted yet.")
    return 0


@command.command("show")
@click.argument("apply_id", metavar="APPLY")
@_form
@click.pass_context
@exits
def show(context: click.Context, /, apply_id: str, form: str) -> int:
    """Show how far an apply is."""
    console = Console(context.obj)
    with open_session(console) as session:
        document = _document(Fleet(session).progress(apply_id))
    text = json.dumps(document, indent=2) if form == "json" else "\n".join(_lines(document))
    console.answer(text)
    return 0


@command.command("stop")
@click.argument("apply_id", metavar="APPLY")
@click.option("--reason", metavar="TEXT", required=True, help="For the receipt.")
@click.pass_context
@exits
def stop(context: click.Context, /, apply_id: str, reason: str) -> int:
    """Stop an apply everywhere: once this returns, none of its calls begins any more.

    Calls under way end, and what was bought is still waited for and counted.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        fleet = Fleet(session)
        is_new = fleet.stop(apply_id, one_line(reason))
        apply = fleet.progress(apply_id).apply
    done = "Stopped" if is_new else "Was over before" if apply.stop is None else "Was stopped before"
    console.tell(f"{done}: {apply.id}")
    return 0


def _document(of: ApplyProgress) -> dict[str, Any]:
    apply = of.apply
    return {
        "id": apply.id,
        "plan_id": apply.plan_id,
        "workspace": apply.workspace,
        "created_at": rfc3339(datetime.fromtimestamp(apply.created_at, UTC)),
        "who": apply.actor.name,
        "cells": apply.cells,
        "credits": json_number(apply.credits),
        "over": of.is_over,
        "attended": not of.is_unattended,
        "stopped": apply.stop and {"cause": apply.stop.cause.value, "message": apply.stop.message},
        "units": {phase.value: count for phase, count in sorted(of.units.items())},
    }


def _state(document: dict[str, Any]) -> str:
    units = ", ".join(f"{count:,} {phase.replace('_', ' ')}" for phase, count in document["units"].items())
    stopped = ", stopped" if document["stopped"] else ""
    running = "running" if document["attended"] else "no worker is at work on it"
    return f"{'over' if document['over'] else running}{stopped}; units: {units or 'none'}"


def _line(document: dict[str, Any]) -> str:
    return one_line(
        f"{document['id']}  {document['created_at']}  {document['workspace']}  {document['cells']:,} cells  "
        f"{_state(document)}",
        limit=400,
    )


def _lines(document: dict[str, Any]) -> list[str]:
    credits_ = "unknown" if document["credits"] is None else f"{document['credits']:,}"
    lines = [
        f"apply {document['id']}, {_state(document)}",
        f"submitted {document['created_at']} by {document['who']} for workspace {document['workspace']}",
        f"plan {document['plan_id']}: {document['cells']:,} cells, {credits_} credits",
    ]
    if document["stopped"]:
        lines.append(f"stopped: {document['stopped']['message']}")
    return [one_line(line, limit=400) for line in lines]
