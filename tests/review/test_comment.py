"""The sticky comment: one for each project, found again, updated in place, never somebody else's."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.client import ApiOptions, Token
from reconciler.client.http.retry import RetryTiming
from reconciler.errors import BadResponse, Refused, SettingsError
from reconciler.forge import GitHub, GitLab
from reconciler.forge.comments import Kind, marker
from reconciler.forge.http import ForgeClient
from tests.client.proxies import forward, network
from tests.client.wire_server import WireServer
from tests.gitops.github_api import REPOSITORY, TOKEN
from tests.gitops.github_api import GitHub as GitHubServer
from tests.gitops.gitlab_api import BOT, PROJECT
from tests.journey.desk import Desk, Said
from tests.review.commented import MINE, Commented
from tests.review.plans_and_reports import call, line, plan, report, result, run, table

Comment = Callable[..., Said]


def small(cells: int = 3) -> dict[str, Any]:
    """Return a plan of one call."""
    return plan(tables=[table("a", "A", "idle", run("a/x"))], calls=[call("a/x", ["news"], cells=cells)])


def large() -> dict[str, Any]:
    """Return a plan whose Markdown must be shortened."""
    runs = [run(f"a/{n}") for n in range(3000)]
    return plan(tables=[table("a", "A", "idle", *runs)], calls=[call("a/0", ["news"])])


@pytest.fixture
def comment(desk: Desk, forge: Commented) -> Comment:
    """Return a function that posts a document as a comment, on either forge."""
    desk.extra = {
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_API_URL": forge.url,
        "GITHUB_REPOSITORY": "acme/data",
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_SERVER_URL": "https://forge.example",
        "GITHUB_RUN_ID": "99",
        "GITLAB_TOKEN": TOKEN,
        "CI_API_V4_URL": forge.url,
        "CI_PROJECT_ID": "42",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_JOB_URL": "https://forge.example/jobs/99",
    }

    def post(content: dict[str, Any] | None = None, kind: str = "plan", *more: str) -> Said:
        arguments = ["comment", forge.name, *more]
        if content is not None:
            desk.write(json.dumps(content), f"{kind}.json")
            arguments += [f"--{kind}", f"{kind}.json"]
        return desk.run(*arguments)

    return post


def test_the_first_plan_makes_a_comment(comment: Comment, forge: Commented) -> None:
    """Which begins with the marker and ends with where the file is."""
    said = comment(small())
    assert (said.code, said.out, said.err) == (0, "", "The comment is created.\n")
    (found,) = forge.comments
    assert found["body"].startswith(
        "<!-- extruct-reconciler plan default -->\n### Plan `default`: 1 table, 1 call, 3 cells"
    )


def test_the_next_plan_updates_it(comment: Comment, forge: Commented) -> None:
    """In place; the same plan again writes nothing."""
    comment(small())
    assert comment(small(4)).err == "The comment is updated.\n"
    assert comment(small(4)).err == "The comment is unchanged.\n"
    (found,) = forge.comments
    assert "4 cells" in found["body"]
    assert [method for method in forge.methods() if method != "GET"][:1] == ["POST"]
    assert len([method for method in forge.methods() if method in ("PATCH", "PUT")]) == 1


def test_projects_have_a_comment_each(comment: Comment, forge: Commented) -> None:
    """The marker carries the project's name."""
    for name in ("gtm", "research", "gtm"):
        assert comment(small(), "plan", "--name", name).code == 0
    assert [each["body"].split("\n")[0] for each in forge.comments] == [
        "<!-- extruct-reconciler plan gtm -->",
        "<!-- extruct-reconciler plan research -->",
    ]


def test_it_is_found_on_a_later_page(comment: Comment, forge: Commented) -> None:
    """Behind three hundred others; the link to another origin is not followed."""
    for number in range(300):
        forge.add(f"comment {number}", "somebody")
    mine = forge.add("<!-- extruct-reconciler plan default -->\nold")
    assert comment(small()).err == "The comment is updated.\n"
    assert len(forge.comments) == 301
    assert "3 cells" in next(each["body"] for each in forge.comments if each["id"] == mine)
    assert [
        path.rsplit("page=", 1)[1] for method, path in forge.requests if method == "GET" and "page" in path
    ] == list("1234")


def test_somebody_elses_marker_is_left_alone(comment: Comment, forge: Commented) -> None:
    """Its author could change the numbers under our text."""
    forge.add("<!-- extruct-reconciler plan default -->\nspoofed", "mallory")
    assert comment(small()).err == "The comment is created.\n"
    assert forge.comments[0]["body"].endswith("spoofed")
    assert len(forge.comments) == 2


def test_a_marker_further_down_is_a_quotation(comment: Comment, forge: Commented) -> None:
    """Only the first line counts."""
    forge.add("> look\n<!-- extruct-reconciler plan default -->\nquoted")
    assert comment(small()).err == "The comment is created.\n"


def test_a_comment_that_may_not_be_edited_is_followed_by_a_new_one(comment: Comment, forge: Commented) -> None:
    """403 to the update."""
    forge.forge.forbidden.add(forge.add("<!-- extruct-reconciler plan default -->\nold"))
    assert comment(small()).err == "The comment is created.\n"
    assert len(forge.comments) == 2


def test_line_ends_that_the_forge_changed_do_not_hide_it(comment: Comment, forge: Commented) -> None:
    """Forges store what was edited in their page with CRLF."""
    comment(small())
    forge.comments[0]["body"] = forge.comments[0]["body"].replace("\n", "\r\n")
    assert comment(small()).err == "The comment is unchanged.\n"


def test_a_large_plan_fits(comment: Comment, forge: Commented) -> None:
    """The marker counts, and the text points to the run."""
    assert comment(large(), "plan", "--name", "n" * 100).code == 0
    (found,) = forge.comments
    assert 50_000 < len(found["body"].encode()) <= 60_000
    assert "The plan file has all of it: [see the run](https://forge.example/" in found["body"]


def test_a_page_is_linked(comment: Comment, forge: Commented) -> None:
    """Also where the plan is cut short, if it is a plain URL."""
    link = "https://forge.example/acme/data/actions/runs/99/artifacts/1"
    for content in (small(), large()):
        assert comment(content, "plan", "--page", link).code == 0
        (found,) = forge.comments
        assert found["body"].endswith(f"\n\n[Every cell of this plan, as a page]({link}).")
        assert len(found["body"].encode()) <= 60_000
    assert comment(small(), "plan", "--page", "https://e.example/) @you").code == 0
    assert "as a page" not in forge.comments[0]["body"]


def test_a_link_of_any_length(comment: Comment, forge: Commented) -> None:
    """Counts too, and one that is no plain URL is left out: it could be more than a link."""
    for link in (
        "https://forge.example/" + "a" * 1900,
        "https://forge.example/" + "a" * 9000,
        "https://e.example/) @you",
    ):
        assert comment(large(), "plan", "--link", link).code == 0
        body = forge.comments[0]["body"]
        assert len(body.encode()) <= 60_000
        assert (link in body) == (len(link) < 2000 and " " not in link)


def test_a_receipt_is_not_replaced_by_another(comment: Comment, forge: Commented) -> None:
    """The same one is found again."""
    first = report(calls=[result("a/x")], by_manifest=[line("a")])
    second = report(calls=[result("a/y")], by_manifest=[line("a")])
    assert [comment(each, "report").err.split()[-1] for each in (first, second, first)] == [
        "created.",
        "created.",
        "unchanged.",
    ]
    assert "### Applied `default`: 1 call accepted, 3 cells, 3 credits" in forge.comments[0]["body"]


@pytest.mark.parametrize(("flag", "kind"), [("--no-plan", "plan"), ("--no-report", "report")])
def test_that_there_is_nothing_is_said(comment: Comment, forge: Commented, flag: str, kind: str) -> None:
    """An old plan must not stand there as if it were this commit's."""
    comment(small())
    assert comment(None, kind, flag, "4").code == 0
    assert "Exit code 4: the plan that was approved is missing" in forge.comments[-1]["body"]
    assert len(forge.comments) == (1 if kind == "plan" else 2)


@pytest.mark.parametrize("code", ["0", "2", "6", "7", "137"])
def test_a_report_that_is_missing_is_not_taken_for_nothing_sent(comment: Comment, forge: Commented, code: str) -> None:
    """A full disk, or a kill, leaves no file and may leave a bill."""
    assert comment(None, "report", "--no-report", code).code == 0
    body = forge.comments[-1]["body"]
    assert f"its report is missing\n\nExit code {code}: calls may have been sent and paid for." in body
    assert "Nothing was sent" not in body


def test_reads_are_tried_again(comment: Comment, forge: Commented) -> None:
    """After a 502 with a short Retry-After."""
    forge.forge.failures["GET"] = [(502, {})]
    assert comment(small()).code == 0
    assert len(forge.comments) == 1


def test_writes_are_not_tried_again(comment: Comment, forge: Commented) -> None:
    """A second POST would be a second comment."""
    forge.forge.failures["POST"] = [(502, {}), (502, {})]
    said = comment(small())
    assert said.code == 1
    assert forge.methods().count("POST") == 1
    assert "502" in said.err


def test_the_token_is_never_said(comment: Comment, forge: Commented, desk: Desk) -> None:
    """Also where the server repeats it."""
    forge.forge.failures["POST"] = [(422, {})]
    said = comment(small())
    assert said.code == 1
    assert "[token]" in said.err
    assert TOKEN not in said.out + said.err
    desk.extra |= {"GITHUB_TOKEN": "wrong", "GITLAB_TOKEN": "wrong"}
    said = comment(small())
    assert said.code == 1
    assert "401" in said.err
    assert "wrong" not in said.err


@pytest.mark.parametrize(
    "answer", [b"{}", b"nonsense", b"[1]", b'[{"id": "x", "user": 1, "author": 1}]', b"[" * 100_000]
)
def test_an_answer_of_another_shape_ends_it(comment: Comment, forge: Commented, answer: bytes) -> None:
    """With one line, before anything is written."""
    forge.forge.nonsense = answer
    said = comment(small())
    assert said.code == 1
    assert said.err.startswith("reconciler: GET /")
    assert forge.comments == []


def test_a_deleted_account_is_nobody(comment: Comment, forge: Commented) -> None:
    """GitHub answers null for its user."""
    forge.add("hello", "gone")
    forge.comments[0] |= {"user": None, "author": None}
    assert comment(small()).code == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"GITHUB_TOKEN": "", "GITLAB_TOKEN": ""}, "there is no token"),
        ({"GITHUB_REF": "refs/heads/main", "CI_MERGE_REQUEST_IID": ""}, "there is no "),
        ({"GITHUB_REPOSITORY": "../admin", "CI_PROJECT_ID": "../admin"}, "must be"),
        ({"GITHUB_API_URL": "http://forge.example", "CI_API_V4_URL": "http://forge.example"}, "loopback"),
        ({"GITHUB_API_URL": "file:///etc", "CI_API_V4_URL": "file:///etc"}, "not usable"),
    ],
)
def test_wrong_surroundings(comment: Comment, desk: Desk, forge: Commented, change: dict[str, str], words: str) -> None:
    """Say what is wrong, and send nothing."""
    desk.extra |= change
    said = comment(small())
    assert said.code == 1
    assert words in said.err
    assert [path for _, path in forge.requests] == []


@pytest.mark.parametrize("name", ["", "a b", "-->", "x" * 101, "a\nb", "--", "é"])
def test_a_name_that_cannot_stand_in_a_marker(comment: Comment, forge: Commented, name: str) -> None:
    """Is refused before anything is sent."""
    assert comment(small(), "plan", "--name", name).code == 1
    assert forge.requests == []


def test_files_that_are_not_what_they_should_be(comment: Comment, desk: Desk, forge: Commented) -> None:
    """An edited plan, a report in its place, no JSON, no file, two files."""
    edited = {**small(), "skipped": [{"address": "a/x", "reason": "done", "cells": 1}]}
    assert (comment(edited).code, comment(report()).code) == (4, 4)
    desk.write("nonsense", "x.json")
    desk.write('{"format_version": "1.0"}', "y.json")
    for arguments, code in (
        (["--plan", "x.json"], 4),
        (["--plan", "y.json"], 4),
        (["--report", "x.json"], 1),
        (["--plan", "missing.json"], 1),
    ):
        assert comment(None, "plan", *arguments).code == code
    for name in ("x.json", "y.json"):
        # The very words of `apply --plan`.
        assert comment(None, "plan", "--plan", name).err == desk.run("apply", "--no-wait", "--plan", name).err
    assert comment(small(), "plan", "--no-report", "1").code == 64
    assert comment().code == 64
    assert forge.requests == []


def client(url: str, waits: list[float]) -> ForgeClient:
    """Return a client that does not really wait."""
    return ForgeClient(ApiOptions(url, Token(TOKEN)), RetryTiming(waits.append, lambda: 1.0))


def comments_on(forge: Commented, sender: ForgeClient, number: int) -> GitHub | GitLab:
    """Return the comments on a change."""
    on_github = forge.name == "github"
    return GitHub(sender, REPOSITORY, number) if on_github else GitLab(sender, str(PROJECT), number)


def test_patience_ends(forge: Commented) -> None:
    """After five tries, each wait longer than the one before."""
    forge.forge.failures["GET"] = [(503, {})] * 9
    waits: list[float] = []
    with client(forge.url, waits) as sender, pytest.raises(BadResponse, match="503"):
        list(comments_on(forge, sender, 7).read())
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_a_refusal_is_not_tried_again(forge: Commented) -> None:
    """A 404 stays one."""
    forge.forge.failures["GET"] = [(404, {})]
    waits: list[float] = []
    with client(forge.url, waits) as sender, pytest.raises(Refused, match="404"):
        list(comments_on(forge, sender, 7).read())
    assert waits == []


def test_nobody_there(tmp_path: Path) -> None:
    """A connection that does not come about is said in words."""
    with ForgeClient(
        ApiOptions("http://127.0.0.1:9", Token(TOKEN)), RetryTiming(lambda _: None, lambda: 0.0)
    ) as sender:
        with pytest.raises(BadResponse, match="refused") as caught:
            sender.get("/user")
        with pytest.raises(BadResponse, match="refused"):
            sender.write("POST", "/x", {})
    assert caught.value.__context__ is None or TOKEN not in repr(caught.value.__context__)


def test_who_the_token_is(forge: Commented) -> None:
    """A person's token says so; a job's own on GitHub may not ask."""
    with client(forge.url, []) as sender:
        comments = comments_on(forge, sender, 7)
        if isinstance(forge.forge, GitHubServer):
            assert comments.mine() is None
            forge.forge.knows_user = True
            assert comments.mine() == MINE
        else:
            assert comments.mine() == str(BOT)


def test_a_marker_is_a_comment_of_html() -> None:
    """On one line, closed, with the kind and the name."""
    assert marker(Kind.REPORT, "a/b.c", "00ff") == "<!-- extruct-reconciler report a/b.c 00ff -->"
    with pytest.raises(SettingsError, match="name in a comment"):
        marker(Kind.PLAN, "a>b")


def test_a_forge_is_reached_through_the_environments_proxy(comment: Comment, forge: Commented, desk: Desk) -> None:
    """All of it, with credentials for the proxy alone."""
    with WireServer(forward) as proxy:
        desk.extra["http_proxy"] = proxy.url.replace("//", "//user:secret@")
        assert comment(small()).code == 0
        assert len(proxy.requests) == len(forge.requests) > 0
        assert all("proxy-authorization" in seen.headers for seen in proxy.requests)
    assert len(forge.comments) == 1


def test_trouble_with_a_forges_proxy_names_it() -> None:
    """Without its credentials."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    options = ApiOptions("https://forge.example", Token(TOKEN), network=network(url))
    timing = RetryTiming(sleep=lambda _: None, random=lambda: 0.5)
    with ForgeClient(options, timing) as client, pytest.raises(BadResponse) as caught:
        client.get("/user")
    assert f"no connection through the proxy {url} (HTTPS_PROXY)" in caught.value.message
    assert "hunter2" not in caught.value.message
