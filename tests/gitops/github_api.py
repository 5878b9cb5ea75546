"""GitHub's REST API on loopback, as far as a pipeline asks it: what was merged, what runs left, comments and issues.

It refuses what the reference refuses: a token that is wrong or may not ask for its user, a page beyond a hundred, a
comment that is too long, a file store that is handed the token. Artifacts are stored on another port, to which the API
redirects.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.gitops.forge_servers import Forge, Handler, file_store, serving

REPOSITORY = "acme/data"
REPOSITORY_ID, FORK_ID = 1, 2
TOKEN = "forge-token-1234567890"
JOB = "github-actions[bot]"
WRITER, OWNER, READER = "dev", "boss", "fan[bot]"
"""The only people with an access of their own."""
BEGUN = "2026-02-01T00:00:00Z"
"""When pull requests are opened."""
LONGEST_COMMENT = 65_536
ENTERPRISE = "/api/v3"
"""Where the API is on GitHub Enterprise Server."""
PLAN, APPLY, REFRESH = (f".github/workflows/{name}.yml" for name in ("plan", "apply", "refresh"))


@dataclass
class GitHub(Forge):
    """Its content, and the requests it received."""

    branches: dict[str, str] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    reviews: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    runs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    """Run → its attempts, oldest first."""
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] | None = field(default_factory=list)
    """None: rules may not be asked for."""
    login: str = JOB
    """Who the token writes as."""
    knows_user: bool = False
    """False: the token is a job's own or an app's, which may not ask for its user."""
    may_write: bool = True
    """False: the token is that of a fork's job, which may only read."""
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    """Of pull requests and issues, oldest first."""
    issues: list[dict[str, Any]] = field(default_factory=list)
    events: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    """Of pull requests, oldest first."""
    files: dict[int, bytes] = field(default_factory=dict)
    """Artifact → its zip."""

    def commit(self, sha: str, *parents: str, branch: str | None = None) -> str:
        """Add a commit, and move a branch to it."""
        if branch:
            self.branches[branch] = sha
        return super().commit(sha, *parents)

    def pull(self, number: int, head: str, merged_as: str | None, at: str, base: str = "main", **fields: Any) -> None:
        """Add a pull request that was closed; `merged_as` is the commit on its base, if it was merged.

        `fields` replace what it says; `branch` is its own.
        """
        branch = fields.pop("branch", f"feature-{number}")
        self.pulls.append(
            {
                "number": number,
                "created_at": BEGUN,
                "closed_at": at,
                "merged_at": at if merged_as else None,
                "merge_commit_sha": merged_as,
                "head": {"sha": head, "ref": branch},
                "base": {"ref": base},
                **fields,
            }
        )

    def retarget(self, number: int, at: str) -> None:
        """Have a pull request be for another branch before a moment."""
        self.events.setdefault(number, []).append({"event": "base_ref_changed", "created_at": at})

    def review(self, number: int, commit: str, at: str, state: str = "APPROVED", by: str = WRITER) -> None:
        """Add a review."""
        made = {"state": state, "commit_id": commit, "submitted_at": at, "user": {"login": by}}
        self.reviews.setdefault(number, []).append(made)

    def require_reviews(self, count: int = 1) -> None:
        """Have a ruleset ask for approving reviews."""
        self.rules = [{"type": "pull_request", "parameters": {"required_approving_review_count": count}}]

    def run(self, number: int, head: str, at: str, *, attempt: bool = False, **fields: Any) -> None:
        """Add a run of `plan.yml` that succeeded, or a further attempt of it; `fields` replace what it says."""
        made = {
            "id": number,
            "path": PLAN,
            "event": "pull_request",
            "conclusion": "success",
            "head_sha": head,
            "head_branch": next((each["head"]["ref"] for each in self.pulls if each["head"]["sha"] == head), "feature"),
            "run_attempt": len(self.runs.get(number, [])) + 1,
            "created_at": self.runs[number][0]["created_at"] if number in self.runs else at,
            "run_started_at": at,
            "head_repository": {"id": REPOSITORY_ID},
            "repository": {"id": REPOSITORY_ID},
            **fields,
        }
        assert attempt == (number in self.runs)
        self.runs.setdefault(number, []).append(made)

    def upload(self, run: int, name: str, file: str, content: bytes, at: str, **fields: Any) -> int:
        """Keep a file as an artifact of a run's latest attempt; return its id."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(file, content)
        number = 500 + len(self.artifacts)
        self.files[number] = packed.getvalue()
        made = {
            "id": number,
            "name": name,
            "expired": False,
            "created_at": at,
            "digest": f"sha256:{sha256(packed.getvalue()).hexdigest()}",
            "workflow_run": {"id": run},
            **fields,
        }
        self.artifacts.insert(0, made)
        return number

    def bodies(self, number: int = 7) -> list[str]:
        """Return the comments of a pull request."""
        return [each["body"] for each in self.comments.get(number, [])]

    def comment(self, number: int, body: str, author: str | None = None) -> dict[str, Any]:
        """Add a comment."""
        made = {
            "id": 1000 + sum(map(len, self.comments.values())),
            "body": body,
            "user": {"login": author or self.login},
        }
        self.comments.setdefault(number, []).append(made)
        return made

    def write(self, method: str, path: str, content: dict[str, Any]) -> tuple[int, Any]:
        """Return the status and content of what is not a GET."""
        if not self.may_write:
            return 403, {"message": "Resource not accessible by integration"}
        if len(content.get("body", "")) > LONGEST_COMMENT:
            return 422, {"message": "Validation Failed"}
        path = path.removeprefix(f"/repos/{REPOSITORY}/issues")
        if found := re.fullmatch("/([0-9]+)/comments", path):
            assert method == "POST"
            return 201, self.comment(int(found[1]), content["body"])
        if found := re.fullmatch("/comments/([0-9]+)", path):
            return self._edit(method, int(found[1]), content)
        if path == "" and method == "POST":
            self.issues.append(
                {"number": 100 + len(self.issues), "state": "open", "user": {"login": self.login}, **content}
            )
            return 201, self.issues[-1]
        found = re.fullmatch("/([0-9]+)", path)
        if found is None or method != "PATCH":
            return 404, {"message": "Not Found"}
        (issue,) = [each for each in self.issues if each["number"] == int(found[1])]
        issue.update(content)
        return 200, issue

    def _edit(self, method: str, number: int, content: dict[str, Any]) -> tuple[int, Any]:
        for listed in self.comments.values():
            for each in listed:
                if each["id"] == number and number in self.forbidden:
                    return 403, {"message": "Resource not accessible by integration"}
                if each["id"] == number and method == "DELETE":
                    listed.remove(each)
                    return 204, None
                if each["id"] == number:
                    each.update(content)
                    return 200, each
        return 404, {"message": "Not Found"}

    def _comments_of(self, _: Any, number: str) -> Any:
        return self.comments.get(int(number), [])

    def _issues(self, query: dict[str, list[str]]) -> Any:
        """Return the open issues, pull requests among them, as GitHub does."""
        assert query["state"] == ["open"]
        pulls = [
            {"number": each["number"], "user": {"login": "a"}, "body": "", "pull_request": {}} for each in self.pulls
        ]
        return [*pulls, *(each for each in self.issues if each["state"] == "open")]

    def answer(self, path: str, query: dict[str, list[str]]) -> Any:
        """Return the content of a GET; None: there is no such thing."""
        for pattern, method in _ROUTES:
            match = re.fullmatch(f"/repos/{REPOSITORY}{pattern}", path)
            if match:
                return method(self, query, *match.groups())
        return None

    def _about(self, _: Any) -> Any:
        return {"id": REPOSITORY_ID, "default_branch": self.default_branch}

    def _compare(self, _: Any, base: str, head: str) -> Any:
        head = self.branches.get(head.removeprefix("refs/heads/"), head)
        if base not in self.commits or head not in self.commits:
            return None
        ahead, behind = self.reachable(head), self.reachable(base)
        status = "identical" if base == head else "ahead" if base in ahead else "diverged"
        listed = [sha for sha in self.commits if sha in ahead - behind]
        commits = [{"sha": sha, "parents": [{"sha": each} for each in self.commits[sha]]} for sha in listed]
        return {"status": status, "commits": commits}

    def _pulls_of(self, _: Any, sha: str) -> Any:
        return [
            each for each in self.pulls if each["merge_commit_sha"] == sha or sha in self.reachable(each["head"]["sha"])
        ]

    def _pull_of(self, _: Any, number: str) -> Any:
        return next((each for each in self.pulls if each["number"] == int(number)), None)

    def _pulls(self, query: dict[str, list[str]]) -> Any:
        """Return the pull requests of a branch, open or not."""
        assert query["state"] == ["all"]
        owner, _, branch = query["head"][0].partition(":")
        assert owner == REPOSITORY.partition("/")[0]
        return [each for each in self.pulls if each["head"]["ref"] == branch]

    def _events_of(self, _: Any, number: str) -> Any:
        return self.events.get(int(number), [])

    def _reviews_of(self, _: Any, number: str) -> Any:
        return self.reviews.get(int(number), [])

    def _permission_of(self, _: Any, login: str) -> Any:
        permissions = {WRITER: "write", OWNER: "admin", READER: "read"}
        return {"permission": permissions[unquote(login)]} if unquote(login) in permissions else None

    def _rules_of(self, _: Any, branch: str) -> Any:
        return (403, {"message": "Upgrade to GitHub Pro"}) if self.rules is None else self.rules

    def _runs_of(self, query: dict[str, list[str]], workflow: str) -> Any:
        latest = [attempts[-1] for attempts in self.runs.values()]
        known = [PLAN, APPLY, REFRESH, *(each["path"] for each in latest)]
        if not any(path.endswith(f"/{workflow}") for path in known):
            return None
        found = [
            each
            for each in latest
            if each["path"].endswith(f"/{workflow}")
            and all(each[key] == query[key][0] for key in ("event", "head_sha") if key in query)
        ]
        return {"total_count": len(found), "workflow_runs": found}

    def _run_of(self, _: Any, number: str) -> Any:
        return self.runs[int(number)][-1]

    def _attempt_of(self, _: Any, number: str, attempt: str) -> Any:
        return self.runs[int(number)][int(attempt) - 1]

    def _artifacts_of(self, query: dict[str, list[str]], run: str | None = None) -> Any:
        found = [
            each
            for each in self.artifacts
            if each["name"] == query.get("name", [each["name"]])[0]
            and (run is None or each["workflow_run"]["id"] == int(run))
        ]
        return {"total_count": len(found), "artifacts": found}


_ROUTES = (
    ("/issues/([0-9]+)/comments", GitHub._comments_of),
    ("/issues", GitHub._issues),
    ("", GitHub._about),
    (r"/compare/([^.]+)\.\.\.(.+)", GitHub._compare),
    ("/commits/([^/]+)/pulls", GitHub._pulls_of),
    ("/pulls", GitHub._pulls),
    ("/pulls/([0-9]+)", GitHub._pull_of),
    ("/pulls/([0-9]+)/reviews", GitHub._reviews_of),
    ("/issues/([0-9]+)/events", GitHub._events_of),
    ("/collaborators/([^/]+)/permission", GitHub._permission_of),
    ("/rules/branches/(.+)", GitHub._rules_of),
    ("/actions/workflows/([^/]+)/runs", GitHub._runs_of),
    ("/actions/runs/([0-9]+)", GitHub._run_of),
    ("/actions/runs/([0-9]+)/attempts/([0-9]+)", GitHub._attempt_of),
    ("/actions/runs/([0-9]+)/artifacts", GitHub._artifacts_of),
    ("/actions/artifacts", GitHub._artifacts_of),
)


@contextmanager
def serve_github() -> Iterator[GitHub]:
    """Serve it for the length of a `with` block."""
    forge = GitHub()
    api = type("Api", (_Api,), {"forge": forge})
    with serving(api, file_store(lambda path: forge.files[int(path)], forge.leaked)) as (forge.url, forge.store_url):
        yield forge


class _Api(Handler):
    forge: GitHub

    def read(self) -> None:
        """Answer a read."""
        self.forge.requests.append(f"{self.command} {self.path}")
        self.path = self.path.removeprefix(ENTERPRISE)
        parts, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        if self.refuses(parts.path):
            return None
        if parts.path == "/user":
            answer = {"login": self.forge.login}, {"message": "Resource not accessible by integration"}
            return self.json(200, answer[0]) if self.forge.knows_user else self.json(403, answer[1])
        kept = re.fullmatch(f"/repos/{REPOSITORY}/actions/artifacts/([0-9]+)/zip", parts.path)
        if kept:
            return self.reply(302, b"", {"Location": f"{self.forge.store_url}/{kept[1]}?signature=abc"})
        found = self.forge.answer(parts.path, query)
        if found is None:
            return self.json(404, {"message": "Not Found"})
        if isinstance(found, tuple):
            return self.json(*found)
        return self.page(found, query)

    def write(self) -> None:
        """Answer what is not a read."""
        content = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        self.forge.requests.append(f"{self.command} {self.path}")
        self.path = self.path.removeprefix(ENTERPRISE)
        if self.refuses(self.path):
            return None
        status, answer = self.forge.write(self.command, self.path, content)
        return self.reply(204, b"") if status == 204 else self.json(status, answer)

    def refuses(self, path: str) -> bool:
        """Answer a request with a wrong token, and one that is to fail."""
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.json(401, {"message": f"Bad credentials: {self.headers['Authorization']}"})
            return True
        return self.fails(self.forge, path)

    def page(self, found: Any, query: dict[str, list[str]]) -> None:
        """Answer one page, with a link to the next one."""
        size, number = (int(query.get(name, [default])[0]) for name, default in (("per_page", "30"), ("page", "1")))
        assert size <= 100
        key = next((key for key in ("workflow_runs", "artifacts", "commits") if key in found), None)
        listed = found[key] if key and isinstance(found, dict) else found
        if not isinstance(listed, list):
            return self.json(200, found)
        shown = listed[(number - 1) * size : number * size]
        more = {"Link": '<http://127.0.0.1:1/elsewhere>; rel="next"'} if len(listed) > number * size else {}
        return self.json(200, {**found, key: shown} if isinstance(found, dict) and key else shown, more)


for _method, _answer in {"GET": _Api.read, **dict.fromkeys(("POST", "PATCH", "DELETE"), _Api.write)}.items():
    setattr(_Api, f"do_{_method}", _answer)
