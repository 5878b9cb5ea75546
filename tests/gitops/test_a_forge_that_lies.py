"""Whatever a forge answers, in the place of any part of any answer: words, and no plan but the honest one."""

import copy
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import pytest

from reconciler.client import ApiOptions, Token
from reconciler.client.http.retry import RetryTiming
from reconciler.errors import ReconcilerError
from reconciler.forge.github_runs import GitHubRuns
from reconciler.forge.gitlab_pipelines import GitLabPipelines
from reconciler.forge.http import ForgeClient, Unavailable
from reconciler.model.merged_change import ChangeHost, Push
from reconciler.operations.approved_plan import approved_plans, newest_snapshot
from tests.gitops import test_approved_plan as on_github
from tests.gitops import test_approved_plan_gitlab as on_gitlab
from tests.gitops.forge_servers import Forge
from tests.gitops.github_api import APPLY, REPOSITORY, TOKEN, serve_github
from tests.gitops.gitlab_api import PROJECT, serve_gitlab

MISSING = object()
LIES: list[Any] = [MISSING, None, "x", "", -1, 10**30, True, [], [None], {}, {"x": 1}, "2026-13-01T00:00:00Z", 0.5]
HEAD, BEFORE, MERGE, NOON = on_github.HEAD, on_github.BEFORE, on_github.MERGE, on_github.NOON
TIMES = None if os.environ.get("EXAMPLES") == "all" else 20
"""How many lies are told; None: all."""

Served = tuple[Forge, ForgeClient, Callable[[ForgeClient], ChangeHost]]
"""A forge, a client, and what makes a host of a client: a host remembers answers."""


@contextmanager
def github() -> Iterator[Served]:
    """Serve a repository with a change that was reviewed, planned twice, merged, and a snapshot."""
    with serve_github() as forge, _client(forge) as client:
        forge.commit(BEFORE, branch="main")
        forge.commit(HEAD, BEFORE)
        forge.commit(MERGE, BEFORE, HEAD, branch="main")
        forge.pull(7, HEAD, MERGE, on_github.MERGED)
        forge.require_reviews()
        forge.review(7, HEAD, NOON)
        on_github.planned(forge)
        forge.run(99, HEAD, on_github.LATER, attempt=True, conclusion="failure")
        forge.run(50, MERGE, NOON, path=APPLY, event="push", head_branch="main")
        forge.upload(50, "reconciler-snapshot-default", "live.snapshot", b"signed", NOON)
        yield forge, client, lambda client: GitHubRuns(client, REPOSITORY)


@contextmanager
def gitlab() -> Iterator[Served]:
    """Serve a project with a change that was approved, planned, merged, and a snapshot."""
    with serve_gitlab() as forge, _client(forge) as client:
        forge.commit(BEFORE)
        forge.commit(HEAD, BEFORE)
        forge.commit(MERGE, BEFORE, HEAD)
        forge.merge_request(7, HEAD, on_gitlab.MERGED, merge_commit_sha=MERGE)
        forge.required = 1
        forge.approve(7, on_gitlab.NOON)
        on_gitlab.planned(forge)
        forge.job(
            forge.pipeline(None, MERGE), "reconciler-snapshot-default", on_gitlab.NOON, {"live.snapshot": b"signed"}
        )
        yield forge, client, lambda client: GitLabPipelines(client, str(PROJECT), "main")


def _client(forge: Forge, now: Callable[[], float] = time.time) -> ForgeClient:
    return ForgeClient(ApiOptions(forge.url, Token(TOKEN)), RetryTiming(lambda _: None, lambda: 0.0, now))


def ways_into(answer: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every part of an answer."""
    yield way
    parts = answer.items() if isinstance(answer, dict) else enumerate(answer) if isinstance(answer, list) else ()
    for key, part in parts:
        yield from ways_into(part, (*way, key))


def told(answer: Any, way: tuple[Any, ...], lie: Any) -> Any:
    """Return an answer with a lie in the place of one of its parts."""
    if not way:
        return None if lie is MISSING else lie
    answer = copy.deepcopy(answer)
    *outer, last = way
    part = answer
    for key in outer:
        part = part[key]
    if lie is MISSING:
        del part[last]
    else:
        part[last] = lie
    return answer


def looked_up(host: ChangeHost) -> tuple[list[bytes], bytes | None]:
    """Return the plans that were approved and the newest snapshot."""
    found = approved_plans(host, Push(BEFORE, MERGE), "default", needs_review=False)
    return [plan.data for plan in found.plans], newest_snapshot(host, "default")[0]


@pytest.mark.parametrize("serve", [github, gitlab])
def test_no_lie_is_believed(serve: Any) -> None:
    """One part of one answer is something else, or missing."""
    with serve() as (forge, client, of):
        answers: list[Any] = []

        def kept(honest: Any) -> Any:
            answers.append(honest)
            return honest

        forge.lies = kept
        plans, snapshot = looked_up(of(client))
        assert (len(plans), snapshot) == (1, b"signed")
        places = [(number, way) for number, answer in enumerate(answers) for way in ways_into(answer)]
        lies = [(place, lie) for place in places for lie in LIES]
        for (number, way), lie in lies if TIMES is None else random.Random(7).sample(lies, TIMES):
            left = [number]

            def answer(honest: Any, left: list[int] = left, way: tuple[Any, ...] = way, lie: Any = lie) -> Any:
                left[0] -= 1
                return told(honest, way, lie) if left[0] == -1 else honest

            forge.lies = answer
            believed: list[bytes] = []
            fetched = None
            with suppress(ReconcilerError):
                believed, fetched = looked_up(of(client))
            assert believed in ([], plans), (answers[number], way, lie)
            assert fetched in (None, snapshot), (answers[number], way, lie)


ODD_HEADERS = {
    "no address": (302, {"Location": "http://[nowhere"}),
    "an address of letters": (302, {"Location": "//\udcff".encode("utf-8", "replace").decode()}),
    "a file of this machine": (302, {"Location": "file:///etc/passwd"}),
    "a circle": (302, {"Location": "?again"}),
    "packed twice": (200, {"Content-Encoding": "gzip, gzip"}),
    "packed in an odd way": (200, {"Content-Encoding": "br"}),
    "no date": (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 5000, "Date": "yesterday"}),
    "no moment": (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 400}),
}


@pytest.mark.parametrize("odd", ODD_HEADERS)
def test_odd_headers_are_an_error_in_words(odd: str) -> None:
    """Not a crash, not a file of this machine, and not gigabytes of memory."""
    with github() as (forge, client, _):
        forge.failures["/zip"] = [ODD_HEADERS[odd]] * 9
        with pytest.raises(ReconcilerError):
            client.download(f"/repos/{REPOSITORY}/actions/artifacts/500/zip", 1000)


def test_an_answer_that_does_not_end_is_an_error() -> None:
    """Its parts come often enough for the timeout of each, and a job with secrets would wait for hours."""
    clock = count(step=700)
    with (
        github() as (forge, *_),
        _client(forge, lambda: float(next(clock))) as slow,
        pytest.raises(Unavailable, match="longer than 600 seconds"),
    ):
        slow.get(f"/repos/{REPOSITORY}")
