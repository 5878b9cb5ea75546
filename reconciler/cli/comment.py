"""`reconciler comment`: post a plan or a receipt where the change is reviewed."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from reconciler.cli.console import Console, exits
from reconciler.model.report import ExitCode
from reconciler.operations import comment
from reconciler.operations.comment import Review
from reconciler.render.markdown import LIMIT
from reconciler.render.plan_markdown import plan_markdown
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


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that both forges share."""
    for option in reversed(
        [
            click.option("--plan", metavar="FILE", type=click.Path(dir_okay=False), help="Show a plan file."),
            click.option("--report", metavar="FILE", type=click.Path(dir_okay=False), help="Show an apply's report."),
            click.option("--no-plan", type=int, metavar="CODE", help="Report that `plan` exited with CODE, no file."),
            click.option(
                "--no-report", type=int, metavar="CODE", help="Report that `apply` exited with CODE, no report."
            ),
            click.option(
                "--name", default="default", show_default=True, help="The project: each has a comment of its own."
            ),
            click.option("--link", metavar="URL", help="Where the file itself is. Default: the CI's run."),
        ]
    ):
        command = option(command)
    return command


@click.group("comment")
def command() -> None:
    """Post a plan or a receipt where the change is reviewed.

    A project has one comment for its plan, found by a hidden marker and updated in place. A receipt is never replaced
    by another one.
    """


@command.command("github")
@shared
@click.option("--repository", metavar="OWNER/NAME", help="Default: GITHUB_REPOSITORY.")
@click.option("--number", type=click.IntRange(min=1), help="The pull request. Default: the one in GITHUB_REF.")
@click.pass_context
@exits
def github(
    context: click.Context, /, repository: str | None, number: int | None, link: str | None, **given: Any
) -> int:
    """Comment on a GitHub pull request.

    The token comes from GITHUB_TOKEN, the base URL from GITHUB_API_URL.
    """
    return _post(Console(context.obj), comment.github_review(os.environ, repository, number), link, given)


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
    return _post(Console(context.obj), comment.gitlab_review(os.environ, repository, number), link, given)


def _post(console: Console, review: Review, link: str | None, given: Mapping[str, Any]) -> int:
    first_line, text = _body(given, link or review.run)
    console.info(f"The comment is {review.post(first_line, text)}.")
    return ExitCode.OK


def _body(given: Mapping[str, Any], link: str | None) -> tuple[str, str]:
    """Return the comment's first line and the rest of it. Raises SettingsError, StalePlan, OSError."""
    chosen = [key for key in ("plan", "report", "no_plan", "no_report") if given[key] is not None]
    if len(chosen) != 1:
        raise click.UsageError("give one of --plan, --report, --no-plan and --no-report")
    (what,) = chosen
    name, value = given["name"], given[what]
    pointer = _pointer("plan" if what.endswith("plan") else "report", link)
    if what == "no_plan":
        return comment.plan_marker(name), _no_plan(name, value, pointer)
    if what == "no_report":
        return comment.receipt_marker(name), _no_report(name, value, pointer)
    if what == "plan":
        content, first_line = comment.read_plan(value), comment.plan_marker(name)
        return first_line, plan_markdown(content, f"Plan `{name}`", pointer, LIMIT - len(first_line) - 1)
    content = comment.read_report(value)
    first_line = comment.receipt_marker(name, content)
    return first_line, report_markdown(content, f"Applied `{name}`", pointer, LIMIT - len(first_line) - 1)


def _pointer(what: str, link: str | None) -> str:
    if link is None or len(link) > _LONGEST_LINK or not _URL.fullmatch(link):
        return f"The {what} file has all of it."
    return f"The {what} file has all of it: [see the run]({link})."


def _no_plan(name: str, code: int, pointer: str) -> str:
    why = _WHY.get(code, "the check's log says why")
    return f"### No plan for `{name}`; nothing was sent\n\nExit code {code}: {why}.{_link_of(pointer)}"


def _no_report(name: str, code: int, pointer: str) -> str:
    if code in _WHY:
        return f"### No apply for `{name}`; nothing was sent\n\nExit code {code}: {_WHY[code]}.{_link_of(pointer)}"
    why = "calls may have been sent and paid for. The check's log and `reconciler ledger list` say which"
    return f"### Apply `{name}`: its report is missing\n\nExit code {code}: {why}.{_link_of(pointer)}"


def _link_of(pointer: str) -> str:
    return pointer[pointer.find(":") :] if "](" in pointer else ""
