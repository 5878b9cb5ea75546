"""`reconciler comment`: post a plan or a receipt where the change is reviewed."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from reconciler.cli.console import Console, exits
from reconciler.cli.group import Group
from reconciler.cli.session import open_session
from reconciler.model.report import ExitCode
from reconciler.operations import comment
from reconciler.operations.ci_job import CiJob
from reconciler.operations.comment import Review
from reconciler.render.ledger_markdown import ledger_markdown
from reconciler.render.markdown import LIMIT
from reconciler.render.plan_markdown import plan_markdown
from reconciler.render.problems_markdown import kept_problems_markdown
from reconciler.render.report_markdown import report_markdown

_LONGEST_LINK = 2000
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_WHY: Mapping[int, str] = {
    ExitCode.ERROR: "an error: the check's log says which",
    ExitCode.LIMIT: "a limit or policy forbids it",
    ExitCode.STALE: "the plan that was approved is missing, too old, or not for these manifests: make a new one",
    ExitCode.LEASED: "another apply holds one of the tables",
    ExitCode.USAGE: "the command line was wrong: the check's log says how",
    ExitCode.CANCELLED: "it was cancelled",
}
"""Exit codes that prove that nothing was sent, with the reason."""
_NOT_KEPT = "its file was not kept, so it cannot be approved: run the job again"
_PLAN, _REPORT = ("plan", "no_plan"), ("report", "no_report")
_PATH = click.Path(dir_okay=False)


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that both forges share."""
    for option in reversed(
        [
            click.option("--plan", metavar="FILE", type=_PATH, help="Show a plan file."),
            click.option("--report", metavar="FILE", type=_PATH, help="Show an apply's report."),
            click.option("--no-plan", metavar="CODE", help="If there is no such file: how `plan` ended."),
            click.option("--no-report", metavar="CODE", help="If there is no such file: how `apply` ended."),
            click.option("--problems", metavar="FILE", type=_PATH, help="Of `plan --problems`: why there is no plan."),
            click.option(
                "--applied", metavar="PLAN", type=_PATH, help="If there is no report: show the ledger's calls."
            ),
            click.option(
                "--name", default="default", show_default=True, help="The project: each has a comment of its own."
            ),
            click.option("--link", metavar="URL", help="Where the file itself is. Default: the CI's run."),
            click.option("--page", metavar="URL", help="Where the plan's page is, for the comment to link it."),
        ]
    ):
        command = option(command)
    return command


@click.group("comment", cls=Group)
def command() -> None:
    """Post a plan or a receipt where the change is reviewed.

    A project has one comment for its plan, found by a hidden marker and updated in place. A receipt is never replaced
    by another one.
    """


@command.command("github")
@shared
@click.option("--repository", metavar="OWNER/NAME", help="Default: GITHUB_REPOSITORY.")
@click.option("--number", type=click.IntRange(min=1), help="The pull request. Default: the one in GITHUB_REF.")
@click.option("--issue", is_flag=True, help="Keep one issue instead: open with a plan that has calls, else closed.")
@click.pass_context
@exits
def github(
    context: click.Context, /, repository: str | None, number: int | None, link: str | None, issue: bool, **given: Any
) -> int:
    """Comment on a GitHub pull request.

    The token comes from GITHUB_TOKEN, the base URL from GITHUB_API_URL.
    """
    console = Console(context.obj)
    if issue:
        return _keep_issue(console, repository, link, given)
    return _post(console, comment.github_review(_job(console), repository, number), link, given)


@command.command("gitlab")
@shared
@click.option("--repository", metavar="ID", help="The project's number. Default: CI_PROJECT_ID.")
@click.option("--number", type=click.IntRange(min=1), help="The merge request. Default: CI_MERGE_REQUEST_IID.")
@click.pass_context
@exits
def gitlab(
    context: click.Context, /, repository: str | None, number: int | None, link: str | None, **given: Any
) -> int:
    """Comment on a GitLab merge request.

    The token comes from GITLAB_TOKEN, the base URL from CI_API_V4_URL.
    """
    console = Console(context.obj)
    return _post(console, comment.gitlab_review(_job(console), repository, number), link, given)


def _job(console: Console) -> CiJob:
    return CiJob(os.environ, console.flags["ca_bundle"])


@dataclass(frozen=True, slots=True)
class _Text:
    """A comment, ready to be posted."""

    first_line: str
    body: str
    may_create: bool = True
    """False for what is worth saying only in the place of an older comment."""


def _post(console: Console, review: Review, link: str | None, given: Mapping[str, Any]) -> int:
    text = _text(console, given, link or review.run)
    posted = review.post(text.first_line, text.body, may_create=text.may_create)
    console.info(f"The comment is {posted}.")
    return ExitCode.OK


def _keep_issue(console: Console, repository: str | None, link: str | None, given: Mapping[str, Any]) -> int:
    """Open, update or close the issue about what is due."""
    name, first_line = given["name"], comment.issue_marker(given["name"])
    board = comment.github_issues(_job(console), repository, f"Due in the tables of `{name}`")
    if given["plan"] is None and given["no_plan"] is None:
        raise click.UsageError("give --plan or --no-plan")
    content = _plan(given)
    pointer = _pointer("plan", link or comment.github_run(_job(console)))
    if content is None:
        text = _no_plan(name, given["no_plan"] or "", comment.read_problems(given["problems"]), pointer)
    else:
        page = _page(given["page"])
        text = plan_markdown(content, f"Due in `{name}`", pointer, LIMIT - len(first_line) - 1 - len(page)) + page
    is_open = content is None or bool(
        content["calls"] or content["in_doubt"] or content["errored"] or content["violations"]
    )
    console.info(f"The issue is {board.keep(first_line, text, is_open=is_open)}.")
    return ExitCode.OK


def _text(console: Console, given: Mapping[str, Any], link: str | None) -> _Text:
    """Return the comment's first line and the rest of it. Raises SettingsError, StalePlan."""
    of_plan, of_report = (any(given[key] is not None for key in keys) for keys in (_PLAN, _REPORT))
    if of_plan == of_report:
        raise click.UsageError("give --plan or --no-plan, or --report or --no-report")
    return _of_plan(given, link) if of_plan else _of_report(console, given, link)


def _plan(given: Mapping[str, Any]) -> Any:
    """Return the plan file's JSON; None if it is missing and --no-plan says why. Raises SettingsError, StalePlan."""
    if given["plan"] is None or (given["no_plan"] is not None and not _is_there(given["plan"])):
        return None
    return comment.read_plan(given["plan"])


def _of_plan(given: Mapping[str, Any], link: str | None) -> _Text:
    name, first_line = given["name"], comment.plan_marker(given["name"])
    pointer = _pointer("plan", link)
    content = _plan(given)
    if content is None:
        problems = comment.read_problems(given["problems"])
        return _Text(first_line, _no_plan(name, given["no_plan"], problems, pointer))
    before, after = comment.plan_size(content), _page(given["page"]) + _made_for(comment.commit_of(content))
    room = LIMIT - len(first_line) - 1 - len(before) - len(after)
    text = plan_markdown(content, f"Plan `{name}`", pointer, room)
    against = content.get("against")
    is_untouched = against is not None and not against["changes"] and not content["violations"] + content["diagnostics"]
    return _Text(first_line, f"{before}{text}{after}", may_create=not is_untouched)


def _of_report(console: Console, given: Mapping[str, Any], link: str | None) -> _Text:
    name, pointer = given["name"], _pointer("report", link)
    if given["report"] is not None and (given["no_report"] is None or _is_there(given["report"])):
        content = comment.read_report(given["report"])
        first_line = comment.receipt_marker(name, content)
        return _Text(first_line, report_markdown(content, f"Applied `{name}`", pointer, LIMIT - len(first_line) - 1))
    code, problems = _code(given["no_report"]), comment.read_problems(given["problems"])
    if problems:
        head = f"### No apply for `{name}`; nothing was sent"
        return _Text(comment.receipt_marker(name), kept_problems_markdown(head, problems, _link_of(pointer)))
    if code in _WHY or not _is_there(given["applied"]):
        return _Text(comment.receipt_marker(name), _no_report(name, code, pointer))
    plan_id = comment.read_plan(given["applied"])["plan_id"]
    with open_session(console) as session:
        calls = comment.calls_of(session.ledger, plan_id)
    first_line = comment.receipt_marker(name, [plan_id, [[call.id, call.state.value] for call in calls]])
    why = f"The apply ended before its report ({_ended(code)}). This is what the ledger holds of it."
    foot = f"Plan `{plan_id[:19]}`{_link_of(pointer)}"
    return _Text(first_line, ledger_markdown(calls, f"Applied `{name}`", why, foot, LIMIT - len(first_line) - 1))


def _is_there(file: str | None) -> bool:
    return bool(file) and Path(file or "").is_file() and Path(file or "").stat().st_size > 0


def _code(text: str) -> int | None:
    """Return an exit code; None for another word of a CI about a step, or none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None


def _ended(code: int | None) -> str:
    return "it was cancelled or killed" if code is None else f"exit code {code}"


def _made_for(commit: str) -> str:
    return f"\n\nFor commit {commit}." if commit else ""


def _pointer(what: str, link: str | None) -> str:
    return (
        f"The {what} file has all of it: [see the run]({link})."
        if _is_link(link)
        else f"The {what} file has all of it."
    )


def _page(link: str | None) -> str:
    return f"\n\n[Every cell of this plan, as a page]({link})." if _is_link(link) else ""


def _is_link(text: str | None) -> bool:
    """Tell whether a text is a URL that cannot be anything else in Markdown."""
    return text is not None and len(text) <= _LONGEST_LINK and _URL.fullmatch(text) is not None


def _no_plan(name: str, ended: str, problems: Sequence[Mapping[str, str]], pointer: str) -> str:
    head = f"### No plan for `{name}`; nothing was sent"
    code, after = _code(ended), _made_for(comment.job_commit(os.environ))
    if problems:
        return kept_problems_markdown(head, problems, f"{_ended_in_words(ended)}{_link_of(pointer)}{after}")
    if code is None:
        why = "there is neither a token nor a snapshot to plan with; the manifests are valid"
        why = why if ended == "skipped" else "the job ended before there was a plan"
        return f"{head}\n\n{why[0].upper()}{why[1:]}.{_link_of(pointer)}{after}"
    why = _NOT_KEPT if code in (ExitCode.OK, ExitCode.CHANGES) else _WHY.get(code, "the check's log says why")
    return f"{head}\n\nExit code {code}: {why}.{_link_of(pointer)}{after}"


def _ended_in_words(ended: str) -> str:
    code = _code(ended)
    return "The manifests are not valid." if code is None else f"Exit code {code}."


def _no_report(name: str, code: int | None, pointer: str) -> str:
    if code in _WHY and code is not None:
        return f"### No apply for `{name}`; nothing was sent\n\nExit code {code}: {_WHY[code]}.{_link_of(pointer)}"
    why = "calls may have been sent and paid for. The check's log and `reconciler ledger list` say which"
    ended = "Cancelled or killed" if code is None else f"Exit code {code}"
    return f"### Apply `{name}`: its report is missing\n\n{ended}: {why}.{_link_of(pointer)}"


def _link_of(pointer: str) -> str:
    """Return the way to the run as a sentence of its own, after another one; empty if there is none."""
    return f" [See the run]{pointer[pointer.find('](') + 1 :]}" if "](" in pointer else ""
