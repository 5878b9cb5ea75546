"""GitLab's REST API on loopback, as far as a pipeline asks it: merge requests, approvals, pipelines, jobs, notes.

It refuses what the reference refuses: a token that is wrong, a job's own token anywhere but at artifacts, a parameter
that is not documented, a file store that is handed a token. Artifacts are stored on another port, to which the API
redirects.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.gitops.forge_servers import Forge, Handler, file_store, serving

PROJECT, FORK = 42, 77
BOT, AUTHOR = 9, 3
"""The user of the token, and of each merge request."""
TOKEN, JOB_TOKEN = "forge-token-1234567890", "job-token-1234567890"
EVENT = "merge_request_event"
Query = dict[str, list[str]]


@dataclass
class GitLab(Forge):
    """Its content, and the requests it received."""

    merge_requests: list[dict[str, Any]] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)
    required: int = 0
    """Approvals that a merge needs."""
    approvals: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    tells_approved_at: bool = True
    """False: as before that field was added."""
    events: list[dict[str, Any]] = field(default_factory=list)
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    files: dict[int, dict[str, bytes]] = field(default_factory=dict)
    """Job → the files in its archive."""
    notes: list[dict[str, Any]] = field(default_factory=list)

    def merge_request(self, number: int, head: str, at: str, **fields: Any) -> dict[str, Any]:
        """Add a merge request that was merged; `fields` replace what it says."""
        made = {
            "iid": number,
            "state": "merged",
            "author": {"id": AUTHOR},
            "sha": head,
            "merge_commit_sha": None,
            "squash_commit_sha": None,
            "merged_at": at,
            "target_branch": "main",
            "source_project_id": PROJECT,
            "target_project_id": PROJECT,
            **fields,
        }
        self.merge_requests.append(made)
        return made

    def approve(self, number: int, at: str, by: int = 5) -> None:
        """Add an approval, and the event of it."""
        self.approvals.setdefault(number, []).append({"user": {"id": by}, "approved_at": at})
        self.events.insert(
            0,
            {
                "action_name": "approved",
                "target_type": "MergeRequest",
                "target_iid": number,
                "author_id": by,
                "created_at": at,
            },
        )

    def pipeline(self, of: int | None, sha: str, **fields: Any) -> int:
        """Add a pipeline of a merge request, or of the default branch; return its id."""
        number = 900 + len(self.pipelines)
        ref = f"refs/merge-requests/{of}/head" if of else self.default_branch
        made = {
            "id": number,
            "project_id": PROJECT,
            "ref": ref,
            "sha": sha,
            "source": EVENT if of else "push",
            "status": "success",
            "tag": False,
            "of": of,
            **fields,
        }
        self.pipelines.append(made)
        return number

    def job(self, pipeline: int, name: str, at: str, files: dict[str, bytes], **fields: Any) -> int:
        """Add a job with its artifacts; return its id."""
        (of,) = [each for each in self.pipelines if each["id"] == pipeline]
        number = 5000 + len(self.jobs)
        archive = {"artifacts_file": {"filename": "artifacts.zip", "size": 1000}} if files else {}
        made = {
            "id": number,
            "name": name,
            "status": "success",
            "ref": of["ref"],
            "tag": of["tag"],
            "created_at": at,
            "finished_at": at,
            "pipeline": {"id": pipeline},
            "retried": False,
            **archive,
            **fields,
        }
        self.jobs.append(made)
        self.files[number] = files
        return number

    def note(self, of: int, body: str, author: int = BOT) -> dict[str, Any]:
        """Add a note."""
        made = {"id": 100 + len(self.notes), "noteable_iid": of, "author": {"id": author}, "body": body}
        self.notes.append(made)
        return made

    def expire(self, job: int) -> None:
        """Delete a job's artifacts, as GitLab does in time."""
        self.files[job] = {}
        (found,) = [each for each in self.jobs if each["id"] == job]
        found.pop("artifacts_file", None)

    def file(self, path: str, query: Query) -> tuple[int, str] | None:
        """Return the job and the name of an artifact that a path means; None if it means no artifact."""
        by_job = re.fullmatch(f"/projects/{PROJECT}/jobs/([0-9]+)/artifacts/(.+)", path)
        if by_job:
            return int(by_job[1]), by_job[2]
        by_ref = re.fullmatch(f"/projects/{PROJECT}/jobs/artifacts/([^/]+)/raw/(.+)", path)
        if by_ref:
            ref = unquote(by_ref[1])  # of a branch or a tag: they are not told apart
            of = [each for each in self.pipelines if each["ref"] == ref and each["status"] == "success"]
            named = [
                each for each in self.jobs if of and each["pipeline"]["id"] == of[-1]["id"]
                and each["name"] == query["job"][0]
            ]  # fmt: skip
            return (named[-1]["id"] if named else 0), by_ref[2]
        return None

    def answer(self, path: str, query: Query) -> Any:
        """Return the content of a GET; None: there is no such thing."""
        for pattern, parameters, method in _ROUTES:
            match = re.fullmatch(f"/projects/{PROJECT}{pattern}", path)
            if match:
                unknown = set(query) - {"page", "per_page"} - set(parameters.split())
                return (
                    (400, {"error": f"{unknown.pop()} is invalid"}) if unknown else method(self, query, *match.groups())
                )
        return None

    def _commits(self, query: Query) -> Any:
        before, _, after = query["ref_name"][0].partition("..")
        if before not in self.commits or after not in self.commits:
            return None
        old, found, at = self.reachable(before), [], after
        if query.get("first_parent") != ["true"]:
            return [{"id": sha} for sha in self.commits if sha in self.reachable(after) - old][::-1]
        while at and at not in old:
            found.append({"id": at})
            at = next(iter(self.commits[at]), "")
        return found

    def _commit(self, _: Query, sha: str) -> Any:
        return {"id": sha, "parent_ids": self.commits[sha]} if sha in self.commits else None

    def _merge_base(self, query: Query) -> Any:
        one, other = (self.branches.get(each, each) for each in query["refs[]"])
        common = self.reachable(one) & self.reachable(other)
        return {"id": [sha for sha in self.commits if sha in common][-1]} if common else None

    def _of_commit(self, _: Query, sha: str) -> Any:
        return [
            each
            for each in self.merge_requests
            if sha in (each["merge_commit_sha"], each["squash_commit_sha"]) or sha in self.reachable(each["sha"])
        ]

    def _merge_request(self, _: Query, number: str) -> Any:
        return next((each for each in self.merge_requests if each["iid"] == int(number)), None)

    def _approvals(self, _: Query, number: str) -> Any:
        kept = ("user", "approved_at") if self.tells_approved_at else ("user",)
        given = [{key: each[key] for key in kept} for each in self.approvals.get(int(number), [])]
        return {"approvals_required": self.required, "approved_by": given}

    def _events(self, query: Query) -> Any:
        assert query["target_type"] == ["merge_request"]
        return [each for each in self.events if each["action_name"] == query["action"][0]]

    def _pipelines_of(self, _: Query, number: str) -> Any:
        return [each for each in self.pipelines[::-1] if each["of"] == int(number)]

    def _pipelines(self, query: Query) -> Any:
        return [each for each in self.pipelines[::-1] if each["ref"] == query["ref"][0]]

    def _pipeline(self, _: Query, number: str) -> Any:
        return next((each for each in self.pipelines if each["id"] == int(number)), None)

    def _jobs(self, query: Query, pipeline: str) -> Any:
        of = [each for each in self.jobs[::-1] if each["pipeline"]["id"] == int(pipeline)]
        return of if query.get("include_retried") == ["true"] else [each for each in of if not each["retried"]]

    def _notes(self, _: Query, number: str) -> Any:
        if self._merge_request(_, number) is None:
            return None
        return [each for each in self.notes if each["noteable_iid"] == int(number)]


Route = tuple[str, str, Callable[..., Any]]
_ROUTES: tuple[Route, ...] = (
    ("/repository/commits", "ref_name since until path author all with_stats first_parent order", GitLab._commits),
    ("/repository/commits/([^/]+)", "stats", GitLab._commit),
    ("/repository/merge_base", "refs[]", GitLab._merge_base),
    ("/repository/commits/([^/]+)/merge_requests", "state", GitLab._of_commit),
    ("/merge_requests/([0-9]+)", "", GitLab._merge_request),
    ("/merge_requests/([0-9]+)/approvals", "", GitLab._approvals),
    ("/merge_requests/([0-9]+)/pipelines", "", GitLab._pipelines_of),
    ("/merge_requests/([0-9]+)/notes", "sort order_by activity_filter", GitLab._notes),
    ("/events", "action target_type before after sort", GitLab._events),
    ("/pipelines", "scope status source ref sha username updated_after order_by sort", GitLab._pipelines),
    ("/pipelines/([0-9]+)", "", GitLab._pipeline),
    ("/pipelines/([0-9]+)/jobs", "scope include_retried", GitLab._jobs),
)


@contextmanager
def serve_gitlab() -> Iterator[GitLab]:
    """Serve it for the length of a `with` block."""
    forge = GitLab()

    def find(path: str) -> bytes:
        job, name = path.split("/", 1)
        return forge.files[int(job)][name]

    with serving(type("Api", (_Api,), {"forge": forge}), file_store(find, forge.leaked)) as (api, store):
        forge.url, forge.store_url = f"{api}/api/v4", store
        yield forge


class _Api(Handler):
    forge: GitLab
    sent: bytes

    def read(self) -> None:
        """Answer a read."""
        path, query = self.opened()
        if not path:
            return None
        kept = self.forge.file(path, query)
        if kept is not None:
            job, name = kept
            if name not in self.forge.files.get(job, {}):
                return self.json(404, {"message": "404 Not found"})
            return self.reply(302, b"", {"Location": f"{self.forge.store_url}/{job}/{name}?signature=abc"})
        if self.headers["JOB-TOKEN"]:
            return self.json(401, {"message": "401 Unauthorized"})
        if path == "/user":
            return self.json(200, {"id": BOT, "username": "project_42_bot"})
        found = self.forge.answer(path, query)
        if found is None:
            return self.json(404, {"message": "404 Not found"})
        if isinstance(found, tuple):
            return self.json(*found)
        return self.page(found, query)

    def add(self) -> None:
        """Add a note."""
        path, _ = self.opened()
        match = re.fullmatch(f"/projects/{PROJECT}/merge_requests/([0-9]+)/notes", path)
        if match and self.forge.answer(path.removesuffix("/notes"), {}):
            return self.json(201, self.forge.note(int(match[1]), self.text()))
        return self.json(404, {"message": "404 Not found"}) if path else None

    def edit(self) -> None:
        """Edit a note."""
        path, _ = self.opened()
        match = re.fullmatch(f"/projects/{PROJECT}/merge_requests/([0-9]+)/notes/([0-9]+)", path)
        if not path:
            return None
        body = self.text()
        (found,) = [each for each in self.forge.notes if match and each["id"] == int(match[2])]
        if found["id"] in self.forge.forbidden:
            return self.json(403, {"message": "403 Forbidden"})
        found["body"] = body
        return self.json(200, found)

    def opened(self) -> tuple[str, Query]:
        """Return the path and query of a request whose token is right and that is not planned to fail."""
        parts = urlsplit(self.path)
        self.forge.requests.append(f"{self.command} {self.path}")
        self.sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = parts.path.removeprefix("/api/v4")
        bearer, private, job = (self.headers[name] for name in ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN"))
        if path == parts.path or not (f"Bearer {TOKEN}" == bearer or private == TOKEN or job == JOB_TOKEN):
            self.json(401, {"message": "401 Unauthorized"})
            return "", {}
        return ("", {}) if self.fails(self.forge, path) else (path, parse_qs(parts.query))

    def text(self) -> str:
        """Return the body of a note that was sent; GitLab takes a million characters."""
        sent = json.loads(self.sent)
        assert set(sent) == {"body"}
        assert 0 < len(sent["body"]) <= 1_000_000
        return str(sent["body"])

    def page(self, found: Any, query: Query) -> None:
        """Answer one page, and say which one is next."""
        if not isinstance(found, list):
            return self.json(200, found)
        size, number = (int(query.get(name, [default])[0]) for name, default in (("per_page", "20"), ("page", "1")))
        assert size <= 100
        more = len(found) > number * size
        headers = {"Link": '<http://127.0.0.1:1/elsewhere>; rel="next"'} if more else {}
        shown = found[(number - 1) * size : number * size]
        return self.json(200, shown, {**headers, "X-Next-Page": str(number + 1) if more else ""})


for _method, _answer in {"GET": _Api.read, "POST": _Api.add, "PUT": _Api.edit}.items():
    setattr(_Api, f"do_{_method}", _answer)
