"""From an empty folder to a reviewed, applied plan on GitHub, with the guide's files and the actions' own scripts."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from reconciler import __version__
from tests.gitops.fake_gh import REPOSITORY, Store
from tests.gitops.hosted_repository import ADD, KEY, MANIFEST, ROOT, SETUP, Hosted
from tests.review.forge_server import TOKEN


def test_the_readme_names_this_version() -> None:
    """In the requirements file that its commands write."""
    assert re.findall(r"extruct-reconciler\[postgres\] == ([0-9.]+)'", SETUP) == [__version__]


def test_from_nothing_to_an_applied_plan(hosted: Hosted) -> None:
    """Planned with a comment, merged, applied: each planned cell is charged once, and the receipt says so.

    A new commit updates the comment. Applied again, nothing is sent. No log holds a secret or a name that is a command.
    A fork gets a plan, but no apply.
    """
    hosted.branch("change", ADD)
    hosted.edit("change", ("max_attempts: 3", "max_attempts: 9"))
    first = hosted.plan("change", name="gtm").outputs
    hosted.edit("change", ("max_attempts: 9", "max_attempts: 3"))
    ran = hosted.plan("change", name="gtm")
    assert ran.failed == "", ran.log
    assert ran.outputs["plan-id"] != first["plan-id"]
    assert hosted.posts() == 0
    (comment,) = hosted.forge.comments
    calls, cells, price = (ran.outputs[key] for key in ("calls", "cells", "credits"))
    assert comment["body"].startswith(
        f"<!-- extruct-reconciler plan gtm -->\n### Plan `gtm`: 1 table, {calls} calls, {cells} cells, {price} credits"
    )
    assert "**This change causes " in comment["body"]
    assert "Due anyway: " in comment["body"]
    assert (ran.outputs["has-changes"], ran.outputs["exit-code"]) == ("true", "2")
    assert re.fullmatch("sha256:[0-9a-f]{64}", ran.outputs["plan-id"])
    assert "::notice title=Plan::Plan: 1 table" in ran.log

    hosted.merge("change")
    applied = hosted.apply(name="gtm")
    assert (applied.failed, applied.outputs["exit-code"]) == ("", "2"), applied.log
    charges = hosted.simulator.charges()
    assert set(charges.values()) == {1}
    assert len(charges) == int(cells)
    receipt = hosted.forge.comments[1]["body"]
    assert f"### Applied `gtm`: {calls} calls accepted, {cells} cells, {price} credits" in receipt
    assert re.search(rf"\| `target-accounts` \| {cells} \| {cells} \| 0 \| 0 \| [0-9]+ \|", receipt)

    posts = hosted.posts()
    again = hosted.apply(name="gtm")
    assert (again.failed, again.outputs["exit-code"]) == ("", "0"), "the plan is used up"
    assert (hosted.posts(), hosted.simulator.charges()) == (posts, charges)

    _no_name_is_a_command(ran.log, "The plan is saved in")
    _no_name_is_a_command(applied.log, "### Applied")
    _secrets_are_nowhere(hosted)
    _a_fork_is_planned_from_the_snapshot(hosted)


def _no_name_is_a_command(log: str, last: str) -> None:
    """What is printed for people stands between `stop-commands` and its end."""
    opened = re.findall(r"^::stop-commands::([0-9a-f]{32})$", log, flags=re.MULTILINE)
    for token in opened:
        inside = log.partition(f"::stop-commands::{token}\n")[2]
        assert f"\n::{token}::\n" in inside or inside.startswith(f"::{token}::")
    assert last in log.partition(f"::stop-commands::{opened[-1]}")[2].partition(f"::{opened[-1]}::")[0]


def _secrets_are_nowhere(hosted: Hosted) -> None:
    """Neither in a log, nor in a comment, nor in an artifact."""
    kept = b"".join(path.read_bytes() for path in hosted.store.folder.rglob("*") if path.is_file())
    posted = json.dumps(hosted.forge.comments)
    for secret in (hosted.token, TOKEN, KEY):
        assert secret.encode() not in kept
        assert secret not in posted


def _a_fork_is_planned_from_the_snapshot(hosted: Hosted) -> None:
    """The one that the main branch's apply left; its plan is kept, and never applied."""
    seen, posts = len(hosted.simulator.requests()), hosted.posts()
    hosted.branch("forked", ("revision: 2026-q4", "revision: 2027-q1"))
    ran = hosted.plan("forked", fork=True, name="gtm")
    assert (ran.failed, ran.outputs["exit-code"], ran.outputs["has-changes"]) == ("", "2", "true"), ran.log
    assert len(hosted.simulator.requests()) == seen
    summary = (hosted.folder.parent / "temp/summary.md").read_text()
    assert "Planned from a snapshot of the live tables, " in summary
    hosted.merge("forked")
    assert (hosted.apply(name="gtm").failed, hosted.posts()) == ("Verdict: 4", posts)


def test_main_moved_on_after_the_plan(hosted: Hosted) -> None:
    """The merged manifests are not those of the plan: exit code 4, nothing sent, and the pull request says so."""
    hosted.branch("change", ADD)
    hosted.plan("change")
    hosted.branch("other", ("max_attempts: 3", "max_attempts: 2"))
    hosted.merge("other", pull_request=False)
    hosted.merge("change")
    ran = hosted.apply()
    assert (ran.failed, ran.outputs["exit-code"]) == ("Verdict: 4", "4"), ran.log
    assert hosted.posts() == 0
    assert "### No apply for `default`; nothing was sent" in hosted.forge.comments[1]["body"]


def test_a_push_without_a_pull_request(hosted: Hosted) -> None:
    """Nobody approved a plan, so nothing is sent."""
    hosted.branch("change", ADD)
    hosted.merge("change", pull_request=False)
    ran = hosted.apply()
    assert (ran.failed, hosted.posts(), hosted.forge.comments) == ("Verdict: 4", 0, [])
    assert "::error title=No plan was approved::" in ran.log


def test_a_merge_whose_last_commit_has_no_plan(hosted: Hosted, tmp_path: Path) -> None:
    """A plan of an earlier commit is not the approved one."""
    planned = tmp_path / "plan.json"
    planned.write_text("{}")
    hosted.store.upload("reconciler-plan-default", planned, {"head_sha": hosted.branch("change", ADD)})
    hosted.shell("git checkout --quiet change && git commit --quiet --allow-empty --message unplanned")
    hosted.merge("change")
    ran = hosted.apply()
    assert (ran.failed, hosted.posts()) == ("Verdict: 4", 0)
    (comment,) = hosted.forge.comments
    assert "Exit code 4" in comment["body"]


def test_a_broken_manifest(hosted: Hosted) -> None:
    """Is marked beside its line; the comment says that there is no plan, and the job fails."""
    hosted.branch("broken", ("mode: failed", "mode: fialed"))
    ran = hosted.plan("broken")
    assert (ran.failed, ran.outputs["exit-code"], ran.outputs["has-changes"]) == ("Verdict: 1", "1", "false")
    assert f"::error file={MANIFEST},line=15,col=13,title=Problem in a manifest::" in ran.log
    assert len(hosted.forge.comments) == 1
    assert "### No plan for `default`; nothing was sent" in hosted.forge.comments[0]["body"]


def test_a_change_cannot_raise_its_own_limit(hosted: Hosted) -> None:
    """The plan is held to the limits of the base; exit code 3, and the comment says which."""
    hosted.shell(
        "sed -i 's/max_cells: 2000/max_cells: 10/' reconciler.yaml && git commit --quiet --all --message limit"
    )
    hosted.branch("change", ("max_cells: 10", "max_cells: 5000"), "reconciler.yaml")
    ran = hosted.plan("change")
    assert (ran.failed, ran.outputs["exit-code"]) == ("Verdict: 3", "3"), ran.log
    assert "**An apply would be refused:** 1 limit exceeded." in hosted.forge.comments[0]["body"]


def test_a_fork_without_a_snapshot_is_validated(hosted: Hosted) -> None:
    """No token, no network, no comment; the job is green, or red where a manifest is broken."""
    hosted.branch("change", ADD)
    ran = hosted.plan("change", fork=True)
    assert (ran.failed, ran.outputs["exit-code"], hosted.forge.requests) == ("", "0", [])
    assert "::notice title=No plan::" in ran.log
    assert hosted.simulator.requests() == []
    hosted.branch("broken", ("mode: failed", "mode: fialed"))
    assert hosted.plan("broken", fork=True).failed == "Verdict: 1"


def test_a_forks_own_snapshot_counts_for_nothing(hosted: Hosted, tmp_path: Path) -> None:
    """Its branch may be called main too."""
    forged = tmp_path / "live.snapshot"
    forged.write_text("{}")
    hosted.store.upload("reconciler-snapshot-default", forged, {"head_branch": "main", "head_repository_id": 2})
    hosted.branch("change", ADD)
    ran = hosted.plan("change", fork=True)
    assert "There is no snapshot." in ran.log
    assert ran.outputs["has-changes"] == "false"


def test_two_projects_in_one_repository(hosted: Hosted) -> None:
    """Each has a comment and a plan file of its own."""
    hosted.branch("change", ADD)
    for name in ("gtm", "research"):
        assert hosted.plan("change", name=name).failed == ""
    assert len(hosted.forge.comments) == 2
    assert {each["name"] for each in hosted.store.read("artifacts")} == {
        "reconciler-plan-gtm",
        "reconciler-plan-research",
    }


def test_a_cancelled_job_ends_politely(hosted: Hosted, tmp_path: Path) -> None:
    """The call in flight is finished and written down, the report is there, and what was not sent can be sent later."""
    hosted.branch("change", ADD)
    planned = int(hosted.plan("change").outputs["cells"])
    hosted.merge("change")
    hosted.shell("git checkout --quiet main")
    hosted.simulator.fault("latency", "POST", seconds=1.0)
    output, report = tmp_path / "output", tmp_path / "report.json"
    environment = {
        **os.environ,
        "PATH": f"{hosted.tools}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(output),
        "RECONCILER_PLAN": str(hosted.store.folder / "run-500/reconciler-plan-default/plan.json"),
        "RECONCILER_REPORT": str(report),
        "RECONCILER_LEDGER": hosted.ledger,
        "EXTRUCT_API_URL": hosted.simulator.url,
        "EXTRUCT_API_TOKEN": hosted.token,
    }
    job = subprocess.Popen(
        ["bash", str(hosted.folder / ".github/actions/apply/apply.sh")],
        cwd=hosted.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not hosted.posts() and time.monotonic() < until:
        time.sleep(0.01)
    job.send_signal(signal.SIGINT)
    log, _ = job.communicate(timeout=60)
    assert output.read_text() == "exit-code=6\n", log
    bought = json.loads(report.read_text())["totals"]["cells_accepted"]
    assert 0 < bought == sum(hosted.simulator.charges().values()) < planned
    hosted.simulator.clear_faults()
    hosted.simulator.finish()
    assert hosted.apply().outputs["exit-code"] == "2"
    assert set(hosted.simulator.charges().values()) == {1}
    assert len(hosted.simulator.charges()) == planned


def test_installing_without_saying_what(tmp_path: Path) -> None:
    """Copied actions do not know where the reconciler is, and no name is guessed."""
    actions = tmp_path / "repository/.github/actions"
    actions.mkdir(parents=True)
    script = actions / "install.sh"
    script.write_text((ROOT / ".github/actions/install.sh").read_text())
    environment = {
        **os.environ,
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_PATH": str(tmp_path / "path"),
        "RECONCILER_REQUIREMENTS": "",
    }
    done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "::error title=There is no reconciler to install::" in done.stdout


def test_the_artifact_of_the_newest_run_is_taken(tmp_path: Path, tools: Path) -> None:
    """Over all pages; an expired one, one of a fork and one of another commit do not count."""
    store = Store(tmp_path / "github")
    file = tmp_path / "plan.json"
    file.write_text("x")
    for run in ({}, {}, {"head_repository_id": 2}, {"head_sha": "b"}, {}, {"head_sha": "b"}):
        store.upload("reconciler-plan-default", file, {"head_sha": "a", **run})
    artifacts = store.read("artifacts")
    for each in artifacts:
        each["expired"] = each["id"] == 504
    store.write("artifacts", artifacts)
    assert chosen(store, tools) == "501"


def chosen(store: Store, tools: Path) -> str:
    """Return the run that `choose.py` takes."""
    artifacts = f"repos/{REPOSITORY}/actions/artifacts --field name=reconciler-plan-default"
    script = f'gh api --paginate {artifacts} | python3 "{ROOT}/.github/actions/choose.py" run-of-commit a'
    environment: dict[str, Any] = {
        "PATH": f"{tools}:{os.environ['PATH']}", "FAKE_GITHUB": str(store.folder), "GH_TOKEN": "x",
    }  # fmt: skip
    return subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True).stdout
