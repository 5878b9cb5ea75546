"""Comments on a pull or merge request, for a pipeline.

They need no project and so no session: a broken project file is also worth a comment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.documents import problems_file
from reconciler.errors import SettingsError
from reconciler.forge import Comments, GitHub, GitHubIssues, GitLab, Posted, post, withdraw
from reconciler.forge.comments import Kind, marker, size_line
from reconciler.forge.http import ForgeClient
from reconciler.manifests.open_file import open_file
from reconciler.model.ledger_entries import CallFilter, CallRecord
from reconciler.operations.ci_job import GITHUB_API, GITLAB_API, CiJob
from reconciler.operations.project_ledger import ProjectLedger
from reconciler.operations.read_plan import read_plan_document
from reconciler.operations.read_report import read_report_document
from reconciler.settings import provenance
from reconciler.text.digest import digest

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_PULL_REF = re.compile(r"refs/pull/([0-9]{1,12})/(merge|head)")


@dataclass(frozen=True, slots=True)
class Review:
    """A pull or merge request."""

    forge: type[GitHub] | type[GitLab]
    url: str
    """Base URL of the forge's API."""
    token_variable: str
    job: CiJob
    repository: str
    number: int
    run: str | None
    """URL of the job that runs here."""

    def post(self, first_line: str, text: str, *, may_create: bool = True) -> str:
        """Write or update the comment that begins with that line; return the effect in one word.

        Raises SettingsError if there is no token or the repository is misspelled, Refused, BadResponse.
        """
        with ForgeClient(self.job.options(self.url, self.token_variable)) as client:
            comments = self.forge(client, self.repository, self.number)
            return post(comments, first_line, text, may_create=may_create).value


@dataclass(frozen=True, slots=True)
class IssueBoard:
    """The issues of a repository on GitHub: one for each project, open while something is due."""

    url: str
    """Base URL of the forge's API."""
    job: CiJob
    repository: str
    title: str

    def keep(self, first_line: str, text: str, *, is_open: bool) -> str:
        """Open or update the issue that begins with that line, or close it; return what became of it, in a word.

        Raises SettingsError, Refused, BadResponse.
        """
        with ForgeClient(self.job.options(self.url, "GITHUB_TOKEN")) as client:
            issues: Comments = GitHubIssues(client, self.repository, self.title)
            posted = post(issues, first_line, text) if is_open else withdraw(issues, first_line)
        return "closed" if posted is Posted.REMOVED else posted.value


def github_review(job: CiJob, repository: str | None, number: int | None) -> Review:
    """Return the given pull request, or else the job's. Raises SettingsError if there is none."""
    found = _PULL_REF.fullmatch(job.named("GITHUB_REF"))
    number = number or (int(found[1]) if found else None)
    if number is None:
        raise SettingsError("there is no pull request", hint="Give its number with --number.")
    url = job.named("GITHUB_API_URL", GITHUB_API)
    return Review(
        GitHub, url, "GITHUB_TOKEN", job, repository or job.named("GITHUB_REPOSITORY"), number, github_run(job)
    )


def github_run(job: CiJob) -> str | None:
    """Return where the job that runs here can be looked at; None outside one."""
    server, repository, run = map(job.named, ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"))
    return f"{server}/{repository}/actions/runs/{run}" if server and run else None


def github_issues(job: CiJob, repository: str | None, title: str) -> IssueBoard:
    """Return the issues of the repository that is named, else of the job's."""
    url = job.named("GITHUB_API_URL", GITHUB_API)
    return IssueBoard(url, job, repository or job.named("GITHUB_REPOSITORY"), title)


def gitlab_review(job: CiJob, repository: str | None, number: int | None) -> Review:
    """Return the given merge request, or else the job's. Raises SettingsError if there is none."""
    named = job.named("CI_MERGE_REQUEST_IID")
    number = number or (int(named) if named.isascii() and named.isdigit() else None)
    if not number:
        raise SettingsError("there is no merge request", hint="Give its number with --number.")
    url, run = job.named("CI_API_V4_URL", GITLAB_API), job.named("CI_JOB_URL") or None
    return Review(GitLab, url, "GITLAB_TOKEN", job, repository or job.named("CI_PROJECT_ID"), number, run)


def plan_marker(name: str) -> str:
    """Return the hidden first line of a project's plan, by which a later plan finds it. Raises SettingsError."""
    return marker(Kind.PLAN, name)


def issue_marker(name: str) -> str:
    """Return the hidden first line of the issue about what is due in a project. Raises SettingsError."""
    return marker(Kind.DRIFT, name)


def plan_size(content: Mapping[str, Any]) -> str:
    """Return the hidden line that says which commit a plan was made for, and its size; empty outside a pipeline."""
    commit = commit_of(content)
    return size_line(commit, content["totals"]["cells"]) + "\n" if commit else ""


def commit_of(content: Mapping[str, Any]) -> str:
    """Return the last commit of the change that a plan was made for; empty outside a pipeline."""
    commit = (content.get("review") or {}).get("head", "")
    return commit if _COMMIT.fullmatch(commit) else ""


def job_commit(environment: Mapping[str, str]) -> str:
    """Return the last commit of the change whose pipeline this is; empty outside one."""
    made_for = provenance.review(environment)
    return made_for.head if made_for is not None and _COMMIT.fullmatch(made_for.head) else ""


def receipt_marker(name: str, report: Any = None) -> str:
    """Return the hidden first line of a report's receipt, unique to it; None stands for a missing report."""
    return marker(Kind.REPORT, name, "none" if report is None else digest(report).removeprefix("sha256:")[:16])


def read_plan(file: str) -> Any:
    """Return the JSON of a plan file. Raises StalePlan if it is not understood, SettingsError if it cannot be read."""
    return read_plan_document(Path(file))


def read_report(file: str) -> Any:
    """Return the JSON of a report file. Raises SettingsError if it cannot be read or is not understood."""
    return read_report_document(Path(file))


def calls_of(ledger: ProjectLedger, plan_id: str) -> list[CallRecord]:
    """Return what a ledger holds of an applied plan, the newest call first. Raises LedgerError, SettingsError."""
    return ledger.calls(CallFilter(plan_id=plan_id, limit=None))


def read_problems(file: str | None) -> list[dict[str, str]]:
    """Return the `location`, `message` and `hint` of each problem that `plan --problems` kept; none if it kept none."""
    try:
        with open_file(file or "") as opened:
            return problems_file.read_problems(opened.read(problems_file.LARGEST + 1))
    except OSError:
        return []
