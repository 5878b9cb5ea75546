"""`reconciler comment`: a plan or a receipt where the change is reviewed."""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.cli.console import Console, exits
from reconciler.client import ApiOptions, Token
from reconciler.errors import SettingsError
from reconciler.forge import GitHub, GitLab, post
from reconciler.forge.comments import Kind, marker
from reconciler.forge.http import ForgeClient
from reconciler.manifests import json_schema
from reconciler.model.report import ExitCode
from reconciler.operations.read_plan import read_plan_document
from reconciler.render.markdown import LIMIT
from reconciler.render.plan_markdown import plan_markdown
from reconciler.render.report_markdown import report_markdown
from reconciler.text.digest import digest

LARGEST_FILE = 256 * 1024 * 1024
_LONGEST_LINK = 2000
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_PULL_REF = re.compile(r"refs/pull/([0-9]{1,12})/(merge|head)")
_WHY: Mapping[int, str] = {
    ExitCode.ERROR: "an error: the check's log says which",
    ExitCode.LIMIT: "a limit or policy forbids it",
    ExitCode.STALE: "the plan that was approved is missing, too old, or not for these manifests: make a new one",
    ExitCode.LEASED: "another apply holds one of the tables",
    ExitCode.USAGE: "the command line was wrong: the check's log says how",
    ExitCode.CANCELLED: "it was cancelled",
}
"""The exit codes that say that nothing was sent, and why."""


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that both forges share."""
    for option in reversed(
        [
            click.option("--plan", metavar="FILE", type=click.Path(dir_okay=False), help="Show a plan file."),
            click.option("--report", metavar="FILE", type=click.Path(dir_okay=False), help="Show an apply's report."),
            click.option("--no-plan", type=int, metavar="CODE", help="Say that `plan` ended with CODE and no file."),
            click.option("--no-report", type=int, metavar="CODE", help="Say that `apply` ended with CODE, no report."),
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
    environment = os.environ
    server, run = environment.get("GITHUB_SERVER_URL"), environment.get("GITHUB_RUN_ID")
    repository = repository or environment.get("GITHUB_REPOSITORY", "")
    link = link or (f"{server}/{repository}/actions/runs/{run}" if server and run else None)
    found = _PULL_REF.fullmatch(environment.get("GITHUB_REF", ""))
    number = number or (int(found[1]) if found else None)
    if number is None:
        raise SettingsError("there is no pull request", hint="Give its number with --number.")
    first_line, text = _body(given, link)
    url = environment.get("GITHUB_API_URL") or "https://api.github.com"
    with ForgeClient(forge_options(url, "GITHUB_TOKEN")) as client:
        done = post(GitHub(client, repository, number), first_line, text)
    Console(context.obj).info(f"The comment is {done}.")
    return ExitCode.OK


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
    environment = os.environ
    named = environment.get("CI_MERGE_REQUEST_IID", "")
    number = number or (int(named) if named.isascii() and named.isdigit() else None)
    if not number:
        raise SettingsError("there is no merge request", hint="Give its number with --number.")
    first_line, text = _body(given, link or environment.get("CI_JOB_URL"))
    url = environment.get("CI_API_V4_URL") or "https://gitlab.com/api/v4"
    with ForgeClient(forge_options(url, "GITLAB_TOKEN")) as client:
        done = post(GitLab(client, repository or environment.get("CI_PROJECT_ID", ""), number), first_line, text)
    Console(context.obj).info(f"The comment is {done}.")
    return ExitCode.OK


def forge_options(url: str, variable: str) -> ApiOptions:
    """Return how to reach a forge with the token of a variable. Raises SettingsError."""
    text = os.environ.get(variable, "").strip()
    if not text:
        raise SettingsError(f"there is no token for {url}; {variable} is not set")
    return ApiOptions(base_url=url, token=Token(text))


def _body(given: Mapping[str, Any], link: str | None) -> tuple[str, str]:
    """Return the comment's first line and the rest of it. Raises SettingsError, StalePlan, OSError."""
    chosen = [key for key in ("plan", "report", "no_plan", "no_report") if given[key] is not None]
    if len(chosen) != 1:
        raise click.UsageError("give one of --plan, --report, --no-plan and --no-report")
    (what,) = chosen
    name = given["name"]
    pointer = _pointer("plan" if what.endswith("plan") else "report", link)
    if what.startswith("no_"):
        kind = Kind.PLAN if what == "no_plan" else Kind.REPORT
        return marker(kind, name, "none" if kind is Kind.REPORT else ""), _nothing(kind, name, given[what], pointer)
    path = Path(given[what])
    content = read_plan_document(path) if what == "plan" else _read_report(path)
    if what == "plan":
        first_line = marker(Kind.PLAN, name)
        return first_line, plan_markdown(content, f"Plan `{name}`", pointer, LIMIT - len(first_line) - 1)
    first_line = marker(Kind.REPORT, name, digest(content).removeprefix("sha256:")[:16])
    return first_line, report_markdown(content, f"Applied `{name}`", pointer, LIMIT - len(first_line) - 1)


def _pointer(what: str, link: str | None) -> str:
    if link is None or len(link) > _LONGEST_LINK or not _URL.fullmatch(link):
        return f"The {what} file has all of it."
    return f"The {what} file has all of it: [see the run]({link})."


def _nothing(kind: Kind, name: str, code: int, pointer: str) -> str:
    if kind is Kind.REPORT and code not in _WHY:
        why = "calls may have been sent and paid for. The check's log and `reconciler ledger list` say which"
        headline = f"### Apply `{name}`: its report is missing\n\nExit code {code}: {why}."
    else:
        what = "Plan" if kind is Kind.PLAN else "Apply"
        why = _WHY.get(code, "the check's log says why")
        headline = f"### {what} `{name}`: none. Nothing was sent\n\nExit code {code}: {why}."
    return f"{headline}{pointer[pointer.find(':') :]}" if "](" in pointer else headline


def _read_report(path: Path) -> Any:
    """Return a report file's content, checked against its schema."""
    if path.stat().st_size > LARGEST_FILE:
        raise SettingsError(f"the report file is larger than {LARGEST_FILE:,} bytes")
    try:
        content = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (ValueError, RecursionError):
        raise SettingsError("the report file is not understood: it is not JSON") from None
    problems = json_schema.problems("report", content)
    if problems:
        raise SettingsError(f"the report file is not understood: {problems[0].message}")
    return content
