"""`reconciler approved-plan`: the plan that was approved for a push, and the default branch's newest snapshot."""

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from reconciler.cli.console import Console, exits
from reconciler.cli.group import Group
from reconciler.cli.plan_outcome import append_outputs
from reconciler.documents.problems_file import passed_over_json
from reconciler.errors import ManifestError, SettingsError
from reconciler.model.merged_change import ChangeHost, Push
from reconciler.model.report import ExitCode
from reconciler.operations import change_hosts
from reconciler.operations.approved_plan import ApprovedPlans, PassedOver, approved_plans, newest_snapshot
from reconciler.operations.atomic_file import write_whole
from reconciler.operations.ci_job import CiJob
from reconciler.operations.project_changes import has_changed
from reconciler.render.markdown import LIMIT
from reconciler.render.plan_markdown import plan_markdown
from reconciler.text.sanitize import one_line

FORMATS = ("text", "json", "markdown")
_OUTPUTS = "Append `numbers=[…]`, `missing=[…]`, `exit-code=N`, or `has-snapshot=true`."
_SNAPSHOT = "Fetch the newest snapshot of the default branch instead."
_WAY_OUT = "Plan it on the default branch, have that plan approved, and apply it."
_REVIEW = "Count no plan that is newer than the last approving review."


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options that both forges share."""

    name: str
    out_dir: str | None
    snapshot: str | None
    before: str | None
    after: str | None
    require_review: bool
    outputs: str | None
    form: str


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that both forges share."""
    for option in reversed(
        [
            click.option(
                "--out-dir", metavar="DIR", type=click.Path(file_okay=False), help="Write NUMBER.json here, or why not."
            ),
            click.option("--snapshot", metavar="FILE", type=click.Path(dir_okay=False), help=_SNAPSHOT),
            click.option("--name", default="default", show_default=True, help="The project, as `comment --name`."),
            click.option("--before", metavar="SHA", help="Where the branch was before the push. Default: from the CI."),
            click.option("--after", metavar="SHA", help="Where it is now. Default: from the CI."),
            click.option("--require-review", is_flag=True, help=_REVIEW),
            click.option(
                "--outputs",
                metavar="FILE",
                type=click.Path(dir_okay=False),
                help=_OUTPUTS,
            ),
            click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="How stdout is written."),
        ]
    ):
        command = option(command)
    return command


@click.group("approved-plan", cls=Group)
def command() -> None:
    """Find the plan that was approved for a push.

    For each pull or merge request that the push merged, takes the plan file that its pipeline left for its last commit,
    and passes over every other with the reason. Exits with 4 if there is none, and with 6 if some changes have none. A
    change that touches nothing of the project approves nothing and needs none, and neither does such a push.
    """


@command.command("github")
@shared
@click.option("--repository", metavar="OWNER/NAME", help="Default: GITHUB_REPOSITORY.")
@click.pass_context
@exits
def github(context: click.Context, /, repository: str | None, **given: Any) -> int:
    """Ask GitHub.

    The token comes from GITHUB_TOKEN (permissions `actions: read`, `contents: read`, `issues: read`,
    `pull-requests: read`), the base URL from GITHUB_API_URL, the push from the event that started the job.
    """
    console, asked = Console(context.obj), _Asked(**given)
    job = CiJob(os.environ, console.flags["ca_bundle"])
    return _answer(
        console,
        change_hosts.github_host(job, repository),
        lambda: change_hosts.github_push(job, asked.before, asked.after),
        asked,
    )


@command.command("gitlab")
@shared
@click.option("--repository", metavar="ID", help="The project's number. Default: CI_PROJECT_ID.")
@click.pass_context
@exits
def gitlab(context: click.Context, /, repository: str | None, **given: Any) -> int:
    """Ask GitLab.

    The token comes from GITLAB_TOKEN (scope `read_api`), or for a snapshot from CI_JOB_TOKEN, the base URL from
    CI_API_V4_URL, the push from CI_COMMIT_BEFORE_SHA and CI_COMMIT_SHA.
    """
    console, asked = Console(context.obj), _Asked(**given)
    job = CiJob(os.environ, console.flags["ca_bundle"])
    return _answer(
        console,
        change_hosts.gitlab_host(job, repository, by_job=asked.snapshot is not None),
        lambda: change_hosts.gitlab_push(job, asked.before, asked.after),
        asked,
    )


def _answer(
    console: Console, opened: AbstractContextManager[ChangeHost], push: Callable[[], Push], asked: _Asked
) -> int:
    if (asked.out_dir is None) == (asked.snapshot is None):
        raise click.UsageError("give either --out-dir or --snapshot")
    with opened as host:
        if asked.snapshot is not None:
            return _fetch_snapshot(console, host, asked)
        pushed = push()
        found = approved_plans(host, pushed, asked.name, needs_review=asked.require_review)
    _tell(console, found.passed_over)
    folder = Path(asked.out_dir or "")
    folder.mkdir(parents=True, exist_ok=True)
    for plan in found.plans:
        write_whole(folder / f"{plan.number}.json", plan.data)
    is_lacking = bool(found.missing) or not found.changes
    needs_none = _needs_none(console, pushed, found) if is_lacking and not found.plans else ""
    code = ExitCode.OK
    if needs_none:
        found = replace(found, untouched=(*found.untouched, *found.missing))
    elif is_lacking:
        code = _say_what_is_missing(console, found, folder)
    console.answer(_shown(found, folder, asked.form) or needs_none)
    lists = {"numbers": [plan.number for plan in found.plans], "missing": list(found.missing)}
    _append(asked, {name: json.dumps(listed) for name, listed in lists.items()} | {"exit-code": str(int(code))})
    return code


def _needs_none(console: Console, push: Push, found: ApprovedPlans) -> str:
    """Say why a push needs no plan; empty if it does."""
    if not push.has_before:
        return "" if found.changes else "The branch is new, and no reviewed change was merged into it: nothing is sent."
    try:
        is_touched = has_changed(console.settings(), push.before)
    except (ManifestError, SettingsError):
        is_touched = True
    if is_touched:
        return ""
    return "The push changes nothing of the project that could be run: nothing is sent, and no plan is missing."


def _say_what_is_missing(console: Console, found: ApprovedPlans, folder: Path) -> ExitCode:
    """Say it in the log and, for each change, in a file for its comment; return the code to end with."""
    if not found.changes:
        console.error(
            "the push merged no reviewed change, so no plan was approved and nothing may be sent",
            "Bring manifests to the default branch by a pull or merge request.",
        )
    for number in found.missing:
        message = f"change {number} has no valid plan, so nothing of it may be sent"
        console.error(message, _WAY_OUT)
        reasons = [(each.made_by, each.why) for each in found.passed_over if each.number == number]
        text = passed_over_json(message, _WAY_OUT, reasons or [("", "no run for its last commit left a plan")])
        write_whole(folder / f"{number}.problems.json", text.encode())
    return ExitCode.PARTIAL if found.plans else ExitCode.STALE


def _fetch_snapshot(console: Console, host: ChangeHost, asked: _Asked) -> int:
    """Write the newest snapshot. A missing one is not an error: the plan then says what it needs."""
    data, passed_over = newest_snapshot(host, asked.name)
    _tell(console, passed_over)
    _append(asked, {"has-snapshot": "false" if data is None else "true"})
    if data is None:
        console.info("There is no snapshot of the live tables.")
        return ExitCode.OK
    write_whole(Path(asked.snapshot or ""), data)
    console.info(f"The snapshot is saved in {one_line(asked.snapshot or '')}.")
    return ExitCode.OK


def _append(asked: _Asked, lines: dict[str, str]) -> None:
    if asked.outputs is not None:
        append_outputs(asked.outputs, lines)


def _tell(console: Console, passed_over: tuple[PassedOver, ...]) -> None:
    for each in passed_over:
        of = f"change {each.number}: " if each.number else ""
        console.info(f"Passed over: {of}{one_line(each.made_by)}{': ' if each.made_by else ''}{one_line(each.why)}")


def _shown(found: ApprovedPlans, folder: Path, form: str) -> str:
    if form == "markdown":
        room = LIMIT // max(1, len(found.plans))
        texts = [
            plan_markdown(plan.content, f"Approved plan of change {plan.number}", "", room) for plan in found.plans
        ]
        return "\n\n".join(texts)
    if form == "json":
        document = {
            "plans": [
                {"number": plan.number, "file": str(folder / f"{plan.number}.json"), "plan_id": plan.content["plan_id"]}
                for plan in found.plans
            ],
            "missing": list(found.missing),
            "passed_over": [
                {"number": each.number, "made_by": each.made_by, "why": each.why} for each in found.passed_over
            ],
        }
        return json.dumps(document, indent=2)
    where = one_line(str(folder))
    return "\n".join(
        f"Change {plan.number}: {plan.content['plan_id']} by {plan.made_by}, in {where}/{plan.number}.json"
        for plan in found.plans
    )
