"""From an empty folder to a reviewed, applied plan on GitHub: the guide's files in a real runner.

Three of the stories are always played, the others with `--stories`.
"""

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.client.wire_server import WireServer
from tests.gitops.act import Ran, Runner
from tests.gitops.github_api import ENTERPRISE
from tests.gitops.hosted_repository import ADD, MANIFEST, Hosted


def main_of(hosted: Hosted) -> str:
    """Return the commit of the main branch."""
    return hosted.shell(f"git rev-parse {hosted.main}")


def merged(hosted: Hosted, branch: str = "change", number: int = 7) -> Ran:
    """Merge a branch and run what the push starts."""
    before = main_of(hosted)
    hosted.merge(branch, number)
    return hosted.push(before)


@pytest.fixture
def receiver(hosted: Hosted) -> Iterator[WireServer]:
    """Return what hears of every apply, named as the guide says."""
    with WireServer(lambda exchange: exchange.answer(200)) as server:
        hosted.secrets["RECONCILER_WEBHOOK_URL"] = f"{server.url}/from-a-secret"
        hosted.callers_say("apply.yml", f"notify-hosts: 127.0.0.1:{server.port}")
        hosted.limit("  limits:", "  notify: [{url: {env: RECONCILER_WEBHOOK_URL}, on: [applied]}]\n  limits:")
        yield server


@pytest.mark.story
def test_from_nothing_to_an_applied_plan(hosted: Hosted, receiver: WireServer) -> None:
    """Planned with a comment, merged, applied: each planned cell is charged once, and the receipt says so.

    A new commit updates the comment. Run again, nothing is sent. No secret is in a log, a comment or a file. The
    webhook of the project hears of it.
    """
    hosted.branch("change", ADD)
    hosted.edit("change", ("max_attempts: 3", "max_attempts: 9"))
    hosted.plan("change")
    head = hosted.edit("change", ("max_attempts: 9", "max_attempts: 3"))
    planned = hosted.plan("change")
    assert planned.succeeded, planned.log
    assert hosted.posts() == 0
    (comment,) = hosted.github.bodies()
    totals = planned.artifact("reconciler-plan-default")["totals"]
    assert comment.startswith("<!-- extruct-reconciler plan default -->\n")
    assert f"### Plan `default`: 1 table, {totals['calls']} calls, {totals['cells']} cells" in comment
    assert "**This change causes " in comment
    assert f"For commit {head}." in comment
    assert "(https://forge.example/acme/data/actions/runs/102/artifacts/1)." in comment
    page = (planned.artifacts / "reconciler-plan-default.html/reconciler-plan-default.html").read_text()
    assert page.lower().startswith("<!doctype html>")

    applied = merged(hosted)
    assert applied.succeeded, applied.log
    charges = hosted.simulator.charges()
    assert (len(charges), set(charges.values())) == (totals["cells"], {1})
    assert (
        f"### Applied `default`: {totals['calls']} calls accepted, {totals['cells']} cells" in hosted.github.bodies()[1]
    )
    assert hosted.github.issues == [], "nothing is due any more"

    again = hosted.push(hosted.shell("git rev-parse HEAD^1"))
    assert again.succeeded, again.log
    assert hosted.simulator.charges() == charges
    assert {heard.path for heard in receiver.requests} == {"/from-a-secret"}
    assert f"{totals['cells']} cells" in receiver.requests[0].body.decode()
    secrets_are_nowhere(hosted, planned, applied)
    each_step_has_what_it_needs(planned, applied)


def secrets_are_nowhere(hosted: Hosted, *runs: Ran) -> None:
    """Neither in a log, nor in a comment, nor in an artifact."""
    kept = b"".join(path.read_bytes() for ran in runs for path in ran.artifacts.rglob("*") if path.is_file())
    told = "".join(ran.log for ran in runs) + json.dumps(hosted.github.comments)
    for secret in hosted.secrets.values():
        assert secret.encode() not in kept
        assert secret not in told


def each_step_has_what_it_needs(planned: Ran, applied: Ran) -> None:
    """And no other secret: what shows or looks up has no API token, what plans and applies has no forge's token."""
    seen = {(each["arguments"][0], tuple(each["secrets"])) for ran in (planned, applied) for each in ran.processes}
    assert seen == {
        ("validate", ()),
        ("plan", ("EXTRUCT_API_TOKEN", "RECONCILER_LEDGER", "RECONCILER_SNAPSHOT_KEY")),
        ("plan", ("EXTRUCT_API_TOKEN", "RECONCILER_LEDGER")),
        ("comment", ("GITHUB_TOKEN",)),
        ("comment", ("RECONCILER_LEDGER", "GITHUB_TOKEN")),
        ("approved-plan", ("GITHUB_TOKEN",)),
        ("apply", ("EXTRUCT_API_TOKEN", "RECONCILER_LEDGER", "RECONCILER_WEBHOOK_URL")),
        ("snapshot", ("EXTRUCT_API_TOKEN", "RECONCILER_LEDGER", "RECONCILER_SNAPSHOT_KEY")),
    }


def test_a_limit_that_is_passed_and_merged_all_the_same(hosted: Hosted) -> None:
    """The change raises the limit and the spending; the check is red, the comment says why, and nothing is bought."""
    hosted.limit("max_credits: 2000", "max_credits: 5")
    hosted.branch("change", ("max_credits: 5", "max_credits: 5000"), "reconciler.yaml")
    hosted.edit("change", ADD)
    ran = hosted.plan("change")
    assert not ran.succeeded
    assert "**An apply would be refused:** 1 limit exceeded." in hosted.github.bodies()[0]
    applied = merged(hosted)
    assert (applied.succeeded, hosted.simulator.charges()) == (False, {})
    assert "exit status 4" in applied.log
    assert "### No apply for `default`; nothing was sent" in hosted.github.bodies()[1]
    assert "its run ended as failure" in hosted.github.bodies()[1]


@pytest.mark.story
def test_the_limits_before_the_push_bind_the_apply(hosted: Hosted) -> None:
    """A limit that was lowered after the plan, and is raised by the merge itself, holds; the comment names it."""
    hosted.branch("change", ADD)
    assert hosted.plan("change").succeeded
    hosted.shell("git checkout --quiet main")
    hosted.limit("max_credits: 2000", "max_credits: 5")
    before = main_of(hosted)
    hosted.merge("change")
    hosted.limit("max_credits: 5", "max_credits: 2000")
    hosted.github.pulls[-1]["merge_commit_sha"] = main_of(hosted)
    ran = hosted.push(before)
    assert (ran.succeeded, hosted.simulator.charges()) == (False, {})
    assert "the limit is 5" in hosted.github.bodies()[1]


@pytest.mark.story
def test_another_base_has_other_limits(hosted: Hosted) -> None:
    """A pull request is retargeted from a laxer branch, and GitHub's merge is still the one with that branch.

    It is planned again, by the limits of its new base, and the plan for the other one is not an approval.
    """
    hosted.limit("max_credits: 2000", "max_credits: 5")
    hosted.shell("git branch lax main && git checkout --quiet lax")
    hosted.limit("max_credits: 5", "max_credits: 5000")
    hosted.branch("change", ADD)
    assert hosted.plan("change", base="lax").succeeded
    assert "would be refused" not in hosted.github.bodies()[0]
    again = hosted.plan("change", was_for="lax")
    assert not again.succeeded
    assert "**An apply would be refused:** 1 limit exceeded." in hosted.github.bodies()[0]
    first = merged(hosted)
    assert (first.succeeded, hosted.simulator.charges()) == (False, {})
    assert "its pull request was for another branch then" in first.log


@pytest.mark.story
def test_a_change_that_is_retargeted_within_the_limits(hosted: Hosted) -> None:
    """Is planned for its new base, without what the other branch has, merged, and applied."""
    hosted.shell("git checkout --quiet -b lax main")
    hosted.edit("lax", ("max_attempts: 3", "max_attempts: 9"))
    hosted.branch("change", ADD)
    assert hosted.plan("change", base="lax").succeeded
    before = hosted.plan("change", was_for="lax")
    assert before.succeeded, before.log
    assert before.artifact("reconciler-plan-default")["review"]["base"] == "main"
    assert "max_attempts" not in hosted.github.bodies()[0]
    applied = merged(hosted)
    assert applied.succeeded, applied.log
    assert set(hosted.simulator.charges().values()) == {1}


def test_a_broken_manifest(hosted: Hosted) -> None:
    """Is marked beside its line and stands in the comment, in the place of the plan before it."""
    hosted.branch("broken")
    assert hosted.plan("broken").succeeded
    head = hosted.edit("broken", ("mode: failed", "mode: fialed"))
    hosted.branch("other", ADD)
    ran = hosted.plan("broken")
    assert not ran.succeeded
    assert re.search(rf"::error file={MANIFEST},line=15,col=13", ran.log)
    (comment,) = hosted.github.bodies()
    assert "### No plan for `default`; nothing was sent" in comment
    assert f"`{MANIFEST}:15:13`" in comment
    assert "did you mean `failed`?" in comment
    assert f"For commit {head}." in comment


@pytest.mark.story
def test_forks_and_dependabot(hosted: Hosted) -> None:
    """Without a snapshot validated, with one planned from it; no secret, no comment, no request, no apply."""
    hosted.branch("forked", ADD)
    foreign: list[dict[str, Any]] = [{"fork": True}, {"author": "dependabot[bot]"}]
    for of in foreign:
        ran = hosted.plan("forked", **of)
        assert ran.succeeded, ran.log
        assert "There is no snapshot of the live tables." in ran.log
    assert (hosted.simulator.requests(), hosted.github.comments) == ([], {})
    assert hosted.refresh("schedule").succeeded
    asked, bought = len(hosted.simulator.requests()), hosted.posts()
    for of in foreign:
        ran = hosted.plan("forked", **of)
        assert ran.succeeded, ran.log
        assert "Planned from a snapshot of the live tables" in ran.log
        assert len(hosted.simulator.requests()) == asked
        assert {secret for each in ran.processes for secret in each["secrets"]} == {"GITHUB_TOKEN"}
    assert hosted.github.comments == {}
    applied = merged(hosted, "forked")
    assert (applied.succeeded, hosted.posts()) == (False, bought)
    assert "it ran for a fork" in applied.log
    assert "Dependabot started it" in applied.log


@pytest.mark.story
def test_a_person_pushes_to_dependabots_branch(hosted: Hosted) -> None:
    """Its jobs have the secrets then, and so the comment shows what they planned before it is bought."""
    hosted.branch("dependabot/pip/x", ADD)
    ran = hosted.plan("dependabot/pip/x", author="dependabot[bot]", by="dev")
    assert ran.succeeded, ran.log
    (comment,) = hosted.github.bodies()
    assert "**This change causes " in comment
    assert merged(hosted, "dependabot/pip/x").succeeded
    assert set(hosted.simulator.charges().values()) == {1}


@pytest.mark.story
def test_an_upload_that_fails(hosted: Hosted) -> None:
    """The comment says that this plan cannot be approved, also in the place of an older one."""
    hosted.branch("change", ADD)
    hosted.plan("change")
    hosted.edit("change", ("max_attempts: 3", "max_attempts: 9"))
    hosted.extra["STAND_IN_REFUSES"] = "uploads"
    ran = hosted.plan("change")
    assert not ran.succeeded
    (comment,) = hosted.github.bodies()
    assert "its file was not kept, so it cannot be approved" in comment
    applied = merged(hosted)
    assert (applied.succeeded, hosted.posts()) == (False, 0)


@pytest.mark.story
def test_the_ledger_s_secret_is_missing(hosted: Hosted) -> None:
    """A sentence says so, nothing is sent, and the pull request hears of it."""
    hosted.branch("change", ADD)
    hosted.plan("change")
    before = main_of(hosted)
    hosted.merge("change")
    ran = hosted.push(before, RECONCILER_LEDGER="")
    assert (ran.succeeded, hosted.posts()) == (False, 0)
    assert "ledger" in hosted.github.bodies()[1]
    assert "### No apply for `default`; nothing was sent" in hosted.github.bodies()[1]


@pytest.mark.story
def test_the_first_pull_request_of_a_project(hosted: Hosted) -> None:
    """Its base has no project file: planned by its own limits, which is said, merged, applied."""
    hosted.shell("git checkout --quiet --orphan empty && git rm -rfq --cached reconciler.yaml manifests")
    hosted.shell("mkdir ../kept && mv reconciler.yaml manifests ../kept/ && git add -A && git commit -qm none")
    hosted.shell("git branch -M empty main && git checkout --quiet -b change && mv ../kept/* . ")
    hosted.commit()
    ran = hosted.plan("change")
    assert ran.succeeded, ran.log
    assert "has no project file, so only the limits of this one hold" in ran.log
    assert len(hosted.github.bodies()) == 1
    applied = merged(hosted)
    assert applied.succeeded, applied.log
    assert set(hosted.simulator.charges().values()) == {1}


@pytest.mark.story
@pytest.mark.parametrize("way", ["squash", "rebase"])
def test_another_way_to_merge_on_another_default_branch(hosted: Hosted, way: str) -> None:
    """The branch is called master, and the pushed commit is not one of the pull request."""
    hosted.shell("git branch -M master")
    hosted.main = "master"
    hosted.branch("change", ADD)
    assert hosted.plan("change").succeeded
    before = main_of(hosted)
    hosted.merge("change", way=way)
    ran = hosted.push(before)
    assert ran.succeeded, ran.log
    assert set(hosted.simulator.charges().values()) == {1}


SECOND = ("second", "91abf3a0-6f0e-4d7e-8a55-1b7f0c3d2e61", "size")
THIRD = ("third", "c4d1f0aa-3b52-4e0e-8f0d-2a6b7c8d9e10", "summary")
AGAIN = ("max_attempts: 3}", "max_attempts: 3}\n    - {name: again, mode: all, columns: [size], revision: r1}")


@pytest.fixture
def two_changes(hosted: Hosted) -> Hosted:
    """Return a repository with nothing due, and planned pull requests 7 and 8 over different manifests."""
    second = hosted.second_manifest()
    assert hosted.refresh().succeeded
    hosted.branch("one", ADD)
    hosted.branch("two", AGAIN, second)
    for branch, number in (("one", 7), ("two", 8)):
        assert hosted.plan(branch, number=number).succeeded
    return hosted


@pytest.mark.story
def test_a_merge_queue_of_two(two_changes: Hosted) -> None:
    """Its own check reports; one push merges both, each has its receipt, and each call is bought once."""
    hosted, bought = two_changes, sum(two_changes.simulator.charges().values())
    queued = hosted.plan("one", event="merge_group")
    assert queued.succeeded, queued.log
    assert len(hosted.github.bodies(7)) == 1
    before = main_of(hosted)
    hosted.merge("one", 7)
    hosted.merge("two", 8)
    ran = hosted.push(before)
    assert ran.succeeded, ran.log
    planned = sum(plan["totals"]["cells"] for plan in (ran.artifact_named("7.json"), ran.artifact_named("8.json")))
    assert sum(hosted.simulator.charges().values()) - bought == planned
    assert [len(hosted.github.bodies(number)) for number in (7, 8)] == [2, 2]


@pytest.mark.story
def test_two_merges_over_different_manifests(two_changes: Hosted) -> None:
    """The first does not make the approval of the second stale; a change without a plan ends the push with 6."""
    hosted = two_changes
    hosted.branch("three")
    assert merged(hosted, "one", 7).succeeded
    before, bought = main_of(hosted), sum(hosted.simulator.charges().values())
    hosted.merge("two", 8)
    hosted.merge("three", 9)
    ran = hosted.push(before)
    assert not ran.succeeded
    assert "exit status 6" in ran.log
    assert "Applied `default`: 1 call accepted, 3 cells" in hosted.github.bodies(8)[1]
    assert "### No apply for `default`; nothing was sent" in hosted.github.bodies(9)[0]
    assert sum(hosted.simulator.charges().values()) == bought + 3


@pytest.mark.story
def test_two_pushes_at_the_very_same_moment(hosted: Hosted) -> None:
    """Each commit has a group of its own, so both run: the lease lets one at a time send for the table in both plans.

    Nothing is bought twice, both end well, and each receipt says what that apply sent.
    """
    for branch, number, (name, table, column) in (("one", 7, SECOND), ("two", 8, THIRD)):
        hosted.branch(branch)
        hosted.manifest(name, table, column)
        assert hosted.plan(branch, number=number).succeeded
    before = main_of(hosted)
    hosted.merge("one", 7)
    between = main_of(hosted)
    beside = hosted.beside()
    hosted.merge("two", 8)
    hosted.simulator.fault("latency", "POST", seconds=2.0)
    started = [beside.start_push(before), hosted.start_push(between)]
    first, second = beside.finish_push(started[0]), hosted.finish_push(started[1])
    assert first.succeeded, first.log
    assert second.succeeded, second.log
    bought = hosted.simulator.charges()
    assert set(bought.values()) == {1}
    listed = [ran.artifact_named(f"{number}.json")["totals"]["cells"] for ran, number in ((first, 7), (second, 8))]
    sent = [int(re.findall(r"accepted, ([0-9]+) cells", hosted.github.bodies(number)[1])[0]) for number in (7, 8)]
    assert sum(sent) == len(bought) < sum(listed)


@pytest.mark.story
def test_a_plan_that_is_made_again_after_the_merge(hosted: Hosted) -> None:
    """Its job was run again, and more was due by then: the plan that was reviewed is applied, and nothing beyond it."""
    hosted.branch("change", ADD)
    cells = hosted.plan("change", run=55).artifact("reconciler-plan-default")["totals"]["cells"]
    before = main_of(hosted)
    hosted.merge("change")
    hosted.plan("change", run=55)
    ran = hosted.push(before)
    assert ran.succeeded, ran.log
    assert "newer than the merge" in ran.log
    assert len(hosted.simulator.charges()) == cells


@pytest.mark.story
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["cancelled", "killed"])
def test_an_apply_that_is_cancelled_or_killed(hosted: Hosted, how: signal.Signals) -> None:
    """During a long call: the receipt is there, and a second push buys what is left and no cell twice."""
    hosted.branch("change", ADD)
    planned = hosted.plan("change").artifact("reconciler-plan-default")["totals"]["cells"]
    before = main_of(hosted)
    hosted.merge("change")
    hosted.simulator.fault("latency", "POST", seconds=3.0)
    started = hosted.start_push(before)
    until = time.monotonic() + 120
    while not hosted.posts() and time.monotonic() < until:
        time.sleep(0.02)
    hosted.signal_apply(how)
    ran = hosted.finish_push(started)
    assert not ran.succeeded
    receipt = hosted.github.bodies()[1]
    assert "Applied `default`: " in receipt, receipt
    assert ("This is what the ledger holds of it." in receipt) == (how is signal.SIGKILL)
    assert ("**In doubt:** 1 call" in receipt) == (how is signal.SIGKILL)
    assert 0 < sum(hosted.simulator.charges().values()) < planned
    hosted.simulator.clear_faults()
    if how is signal.SIGINT:
        assert hosted.push(before).succeeded
        assert len(hosted.simulator.charges()) == planned
    assert set(hosted.simulator.charges().values()) == {1}


@pytest.mark.story
def test_what_falls_due_without_a_pull_request(hosted: Hosted) -> None:
    """A schedule opens one issue and applies what the reviewers approve; then the issue is closed.

    By hand on another branch nothing happens.
    """
    hosted.callers_say("refresh.yml", "apply: false")
    for _ in range(2):
        assert hosted.refresh("schedule").succeeded
    (issue,) = hosted.github.issues
    assert issue["state"] == "open"
    assert "### Due in `default`: 1 table" in issue["body"]
    assert hosted.posts() == 0
    hosted.branch("lax", ADD)
    assert hosted.refresh(ref="lax").processes == []
    hosted.shell("git checkout --quiet main")
    hosted.callers_say("refresh.yml", "apply: true", "apply: false")
    ran = hosted.refresh()
    assert ran.succeeded, ran.log
    assert set(hosted.simulator.charges().values()) == {1}
    assert [each["state"] for each in hosted.github.issues] == ["closed"]


@pytest.mark.story
def test_what_a_change_plants_is_not_run(hosted: Hosted, tmp_path: Path) -> None:
    """Modules, an environment, git's configuration, `.env` files and an address for the token change nothing."""
    hosted.branch("evil", ADD)
    proof = tmp_path / "ran"
    evil = f"open({str(proof)!r}, 'a').write(__file__)\n"
    for name in ("json.py", "secrets.py", "sitecustomize.py", "usercustomize.py", "click/__init__.py", "a.pth"):
        path = hosted.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(evil if name.endswith(".py") else f"import os; {evil}")
    for name in ("bin/git", "bin/reconciler", ".venv/bin/python", ".venv/bin/git"):
        path = hosted.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {name} >> {proof}\n")
        path.chmod(0o755)
    (hosted.folder / ".env").write_text("EXTRUCT_API_URL=http://127.0.0.1:1\nPYTHONPATH=.\n")
    bare = hosted.folder / "manifests/bare"
    hosted.shell(f"git init --quiet --bare {bare} && git -C {bare} config core.fsmonitor 'touch {proof}'")
    shutil.rmtree(bare / "hooks")
    (bare / "refs/heads/.keep").write_text("")
    hosted.commit()
    ran = hosted.plan("evil")
    assert ran.succeeded, ran.log
    assert merged(hosted, "evil").succeeded
    assert not proof.exists(), proof.read_text()
    assert set(hosted.simulator.charges().values()) == {1}


@pytest.mark.story
def test_the_change_names_another_address(hosted: Hosted) -> None:
    """The token goes where the workflow says, whatever the project file says."""
    hosted.branch("evil", ADD)
    hosted.edit("evil", ("  limits:", "  api: {url: 'http://127.0.0.1:9'}\n  limits:"), "reconciler.yaml")
    ran = hosted.plan("evil")
    assert "Connection refused" not in ran.log
    assert hosted.posts() == 0


@pytest.mark.story
def test_on_another_host(hosted: Hosted) -> None:
    """GitHub Enterprise Server: workflows come from there, and no token goes anywhere else but the API's to the API."""
    hosted.runner = Runner(hosted.runner.home.with_name("of-its-own"), hosted.folder, hosted.program, "forge.example")
    hosted.extra["GITHUB_API_URL"] = f"{hosted.github.url}{ENTERPRISE}"
    hosted.branch("change", ADD)
    planned = hosted.plan("change")
    assert planned.succeeded, planned.log
    applied = merged(hosted)
    assert applied.succeeded, applied.log
    assert set(hosted.simulator.charges().values()) == {1}
    assert all(ENTERPRISE in request for request in hosted.github.requests)
    of_forge, of_store, of_api = (
        urlsplit(url).netloc for url in (hosted.github.url, hosted.github.store_url, hosted.simulator.url)
    )
    assert planned.connections == {of_forge, of_api}
    assert applied.connections == {of_forge, of_store, of_api}
    assert hosted.github.leaked == []
    assert "github.com" not in planned.log + applied.log


@pytest.mark.story
def test_a_second_project(hosted: Hosted) -> None:
    """Has its own folder, comment and plan file."""
    hosted.shell("mkdir sub && cp -R reconciler.yaml manifests sub/")
    hosted.shell("sed -i.bak 's/name: target-accounts/name: second/' sub/manifests/*.yaml && rm sub/manifests/*.bak")
    hosted.callers_say("plan.yml", "name: second\n      working-directory: sub")
    hosted.branch("change", ADD, "sub/" + MANIFEST)
    ran = hosted.plan("change")
    assert ran.succeeded, ran.log
    assert hosted.github.bodies()[0].startswith("<!-- extruct-reconciler plan second -->")
    kept = ["reconciler-plan-second", "reconciler-plan-second.html"]
    assert sorted(folder.name for folder in ran.artifacts.iterdir()) == kept


@pytest.mark.story
def test_a_change_without_a_manifest(hosted: Hosted) -> None:
    """Its check reports too, and there is nothing to comment."""
    hosted.branch("docs")
    (hosted.folder / "notes.md").write_text("x")
    hosted.commit()
    ran = hosted.plan("docs")
    assert (ran.succeeded, hosted.github.comments) == (True, {})
