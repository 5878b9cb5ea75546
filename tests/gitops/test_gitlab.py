"""GitLab's jobs as the shipped file has them: from a merge request to a receipt, and what must not bend them.

Some of the stories are always played, the others with `--stories`.
"""

import json
import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.client.wire_server import WireServer
from tests.documentation.pages import block
from tests.gitops.gitlab_api import JOB_TOKEN, PROJECT, TOKEN
from tests.gitops.gitlab_project import MANIFEST, MERGED, Project
from tests.gitops.hosted_repository import ADD

OTHER = """\
apiVersion: reconciler/v1
kind: TableRun
metadata: {name: other}
spec:
  table: 91abf3a0-6f0e-4d7e-8a55-1b7f0c3d2e61
  runs: [{mode: new, columns: [size]}]
"""

THIRD = """\
apiVersion: reconciler/v1
kind: TableRun
metadata: {name: third}
spec:
  table: c4d1f0aa-3b52-4e0e-8f0d-2a6b7c8d9e10
  runs: [{mode: new, columns: [summary]}]
"""


@pytest.fixture
def receiver(project: Project) -> Iterator[WireServer]:
    """Return what hears of every apply, whatever a pipeline's variables say of its host."""
    with WireServer(lambda exchange: exchange.answer(200)) as server:
        project.secrets |= {"HOOK": f"{server.url}/from-a-secret", "RECONCILER_NOTIFY_HOSTS": "hooks.example"}
        project.inputs["notify_hosts"] = f"127.0.0.1:{server.port}"
        project.change(
            "  limits:", "  notify: [{url: {env: HOOK}, on: [applied]}]\n  limits:", "reconciler.yaml", "main"
        )
        yield server


def test_from_a_merge_request_to_a_receipt(project: Project, receiver: WireServer) -> None:
    """Planned from the default branch's snapshot without the token; each planned cell is charged once.

    The webhook of the project hears of both applies.
    """
    assert (project.folder / ".gitlab-ci.yml").read_text() == block(".gitlab/README.md", "yaml", "gitlab").text
    first = project.pipeline(source="schedule")
    assert first["snapshot"].code == 0, first["snapshot"].log
    bought = dict(project.simulator.charges())
    project.change(*ADD)
    planned = project.plan(sees_secrets=False)
    assert planned.code == 0, planned.log
    assert project.simulator.charges() == bought
    plan = json.loads(project.artifacts["plan"]["plan.json"])
    assert plan["review"] == {
        "repository": str(PROJECT), "number": 7, "head": project.git("git rev-parse change"), "base": "main",
    }  # fmt: skip
    assert plan["git"]["dirty"] is False
    assert "**This change causes " in project.forge.notes[0]["body"]
    assert "/artifacts/file/plan.html)." in project.forge.notes[0]["body"]
    assert project.artifacts["plan"]["plan.html"].lower().startswith(b"<!doctype html>")
    ended = project.pipeline(project.merge())
    assert [each.code for each in ended.values()] == [0, 0, 0], ended
    assert "Approved plan of change 7" in ended["approved"].log
    new = {cell: times for cell, times in project.simulator.charges().items() if cell not in bought}
    assert set(new.values()) == {1}
    assert len(new) == plan["totals"]["cells"]
    assert "Applied `default`" in project.forge.notes[1]["body"]
    assert [heard.path for heard in receiver.requests] == ["/from-a-secret"] * 2
    said = planned.log + "".join(each.log for each in ended.values())
    assert not any(secret in said for secret in (TOKEN, JOB_TOKEN, project.simulator.token))


def test_the_reports_of_a_merge_request(project: Project) -> None:
    """A broken manifest stands in both, and the note says that there is no plan."""
    project.change("mode: failed", "mode: fialed")
    ended = project.plan()
    assert ended.code == 1, ended.log
    assert f"`{MANIFEST}:15:13`" in project.forge.notes[0]["body"]
    assert "did you mean `failed`?" in project.forge.notes[0]["body"]
    (found,) = json.loads((project.folder / "reconciler-default-codequality.json").read_text())
    assert found["location"] == {"path": MANIFEST, "lines": {"begin": 15}}
    (suite,) = ElementTree.parse(project.folder / "reconciler-default-junit.xml").getroot()
    assert suite.get("failures") == "1"
    assert "nothing was sent" in project.forge.notes[0]["body"]


def test_without_token_and_snapshot_the_manifests_are_validated(project: Project) -> None:
    """As in a fork, or before the first snapshot: the job succeeds and says it, and leaves nothing to apply."""
    project.change(*ADD)
    ended = project.plan(sees_secrets=False, variables={"GITLAB_TOKEN": ""})
    assert (ended.code, "only validated" in ended.log) == (0, True), ended.log
    assert project.artifacts["plan"] == {}
    assert (project.simulator.requests(), project.forge.notes) == ([], [])


@pytest.mark.story
def test_a_merge_request_without_a_plan(project: Project) -> None:
    """Nothing is sent, and the merge request says so; nor is anything for a push without a merge request."""
    project.change(*ADD)
    project.plan(sees_secrets=False, variables={"GITLAB_TOKEN": ""})
    ended = project.pipeline(project.merge())
    assert (ended["approved"].code, "apply" in ended) == (4, False)
    note = project.forge.notes[0]["body"]
    assert "nothing was sent" in note
    assert "`change 7 has no valid plan" in note
    assert "its files are missing or have expired" in note
    before = project.git("git rev-parse origin/main")
    project.git("git checkout --quiet main && git commit --quiet --allow-empty -m x && git push --quiet origin main")
    project.told("HEAD")
    ended = project.pipeline(before)
    assert (ended["approved"].code, "changes nothing of the project" in ended["approved"].log) == (0, True)
    before = project.git("git rev-parse origin/main")
    project.change("max_attempts: 3", "max_attempts: 9", branch="main")
    ended = project.pipeline(before)
    assert (ended["approved"].code, "merged no reviewed change" in ended["approved"].log) == (4, True)
    assert project.simulator.charges() == {}


@pytest.mark.story
@pytest.mark.parametrize("event", ["merged_result", "merge_train"])
def test_pipelines_for_the_result_of_a_merge(project: Project, event: str) -> None:
    """A merged-results pipeline plans it for the merge request's head. A train's is too late, and notes nothing."""
    project.change(*ADD)
    ended = project.plan(event=event)
    assert ended.code == 0, ended.log
    assert len(project.forge.notes) == (event == "merged_result")
    ended_ = project.pipeline(project.merge())
    assert ended_["approved"].code == (0 if event == "merged_result" else 4), ended_
    assert bool(project.simulator.charges()) == (event == "merged_result")


def test_a_change_cannot_raise_its_own_limits(project: Project) -> None:
    """The plan is refused by those of the base. If its job forgets to ask for them, the apply does not."""
    project.git("git checkout --quiet main")
    path = project.folder / "reconciler.yaml"
    path.write_text(path.read_text().replace("max_credits: 2000", "max_credits: 1"))
    project.commit("main")
    lax = project.change("max_credits: 1", "max_credits: 2000", file="reconciler.yaml")
    path = project.folder / MANIFEST
    path.write_text(path.read_text().replace(*ADD))
    head = project.commit("change")
    assert project.plan().code == 3
    forged = {"CI_MERGE_REQUEST_TARGET_BRANCH_SHA": lax, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": head}
    assert project.plan(variables=forged).code == 0
    ended = project.pipeline(project.merge())
    assert (ended["approved"].code, ended["apply"].code) == (0, 3), ended
    assert project.simulator.charges() == {}
    assert "nothing was sent" in project.forge.notes[-1]["body"]


def test_a_change_that_touches_nothing_approves_nothing(project: Project) -> None:
    """Something is due anyway, which no note showed: merging notes about something else does not buy it."""
    project.git("git checkout --quiet -B change origin/main && echo x > notes.md")
    project.commit("change")
    assert project.plan().code == 0
    assert json.loads(project.artifacts["plan"]["plan.json"])["calls"] != []
    ended = project.pipeline(project.merge())
    assert (ended["approved"].code, ended["apply"].code) == (0, 0), ended
    assert "touches nothing of the project" in ended["approved"].log
    assert (project.simulator.charges(), project.forge.notes) == ({}, [])


@pytest.mark.story
def test_two_pushes_at_the_very_same_moment(project: Project) -> None:
    """Where no resource group holds the second apply, the lease does: what both plans list is bought once.

    Both end well, and each receipt says what that apply sent.
    """
    second = project.beside("second")
    for one, number, manifest in ((project, 7, OTHER), (second, 8, THIRD)):
        one.git("git checkout --quiet -B change origin/main")
        (one.folder / f"manifests/{number}.yaml").write_text(manifest)
        one.commit(f"change-{number}")
        assert one.plan(number).code == 0
    before = project.merge()
    between = project.git("git rev-parse HEAD")
    second.git("git fetch --quiet origin")
    assert second.merge(8) == between
    listed = [json.loads(one.artifacts["plan"]["plan.json"])["totals"]["cells"] for one in (project, second)]
    project.simulator.fault("latency", "POST", seconds=1.0)
    with ThreadPoolExecutor() as at_once:
        started = [at_once.submit(one.pipeline, base) for one, base in ((project, before), (second, between))]
    for ended in (each.result() for each in started):
        assert (ended["approved"].code, ended["apply"].code) == (0, 0), ended
    bought = project.simulator.charges()
    assert set(bought.values()) == {1}
    receipts = {note["noteable_iid"]: note["body"] for note in project.forge.notes if "Applied" in note["body"]}
    sent = [int(re.findall(r"accepted, ([0-9]+) cells", receipts[number])[0]) for number in (7, 8)]
    assert sum(sent) == len(bought) < sum(listed)


@pytest.mark.story
def test_several_changes_in_one_push(project: Project) -> None:
    """As a merge train pushes them: each is applied, each has its receipt, and the one without a plan is named."""
    base = project.git("git rev-parse origin/main")
    project.pipeline(source="schedule")  # nothing is due but for the changes
    project.git("git checkout --quiet -B other origin/main")
    (project.folder / "manifests/other.yaml").write_text(OTHER)
    project.commit("other")
    project.change(*ADD)
    assert project.plan().code == 0
    assert project.plan(8, "other").code == 0
    project.git("git checkout --quiet -B third origin/main && git commit --quiet --allow-empty -m third")
    project.told("third")
    project.forge.merge_request(9, project.git("git rev-parse third"), MERGED, state="opened")
    for number, branch in ((7, "change"), (8, "other"), (9, "third")):
        project.merge(number, branch)
    ended = project.pipeline(base)
    assert (ended["approved"].code, ended["apply"].code) == (6, 0), ended
    assert set(project.simulator.charges().values()) == {1}
    of = [note["noteable_iid"] for note in project.forge.notes if "Plan `default`" not in note["body"]]
    assert sorted(of) == [7, 8, 9]
    (unplanned,) = [note["body"] for note in project.forge.notes if note["noteable_iid"] == 9]
    assert "no run for its last commit left a plan" in unplanned


@pytest.mark.story
def test_a_second_project_in_its_own_folder(project: Project, tmp_path: Path) -> None:
    """With jobs, reports, notes and plans of its own name; paths in the reports are those of the repository.

    The folder of the change looks like a bare repository whose configuration names a program: it is not run.
    """
    mark = tmp_path / "mark"
    project.git("git checkout --quiet main && mkdir -p teams/gtm && git mv manifests reconciler.yaml teams/gtm/")
    project.commit("main")
    project.inputs = {"name": "gtm", "working_directory": "teams/gtm"}
    project.change("mode: failed", "mode: fialed", file=f"teams/gtm/{MANIFEST}")
    assert project.plan().code == 1
    (found,) = json.loads((project.folder / "reconciler-gtm-codequality.json").read_text())
    assert found["location"]["path"] == f"teams/gtm/{MANIFEST}"
    project.forge.merge_requests.clear()
    project.change(*ADD, file=f"teams/gtm/{MANIFEST}")
    evil = f'[remote "origin"]\nurl = ssh://a/b\n[core]\nrepositoryformatversion = 0\nsshCommand = touch {mark};\n'
    bare = {"HEAD": "ref: refs/heads/main\n", "objects/.keep": "", "refs/.keep": "", "config": evil}
    for name, text in bare.items():
        (project.folder / "teams/gtm" / name).parent.mkdir(exist_ok=True)
        (project.folder / "teams/gtm" / name).write_text(text)
    project.commit("change")
    planned = project.plan()
    assert planned.code == 0, planned.log
    ended = project.pipeline(project.merge())
    assert [each.code for each in ended.values()] == [0, 0, 0], ended
    assert not mark.exists()
    assert set(project.simulator.charges().values()) == {1}
    assert "`gtm`" in project.forge.notes[-1]["body"]


@pytest.mark.parametrize("missing", ["ledger", "before"])
def test_an_apply_without_its_ground_stops(project: Project, missing: str) -> None:
    """No ledger by accident, no push without limits to hold it to: one sentence, the way out, nothing sent."""
    project.change(*ADD)
    assert project.plan().code == 0
    before = project.merge()
    if missing == "ledger":
        ended = project.pipeline(before, RECONCILER_LEDGER="")["apply"]
        assert (ended.code, "RECONCILER_LEDGER is not understood: it is empty" in ended.log) == (1, True), ended.log
    else:
        ended = project.pipeline()["apply"]
        assert (ended.code, "before this push there was no such branch" in ended.log) == (1, True), ended.log
    assert project.simulator.charges() == {}
    assert "### No apply for `default`; nothing was sent" in project.forge.notes[-1]["body"]


@pytest.mark.story
def test_a_schedule_plans_the_default_branch_and_waits_for_a_person(project: Project) -> None:
    """Cells that fell due in the meantime, or were left behind; without a merge request there is no note."""
    ended = project.pipeline(source="schedule")
    assert [each.code for each in ended.values()] == [0, 0, 0], ended
    assert set(project.simulator.charges().values()) == {1}
    assert project.forge.notes == []


@pytest.mark.story
def test_files_of_a_change_change_nothing_of_the_program(project: Project, tmp_path: Path) -> None:
    """Modules, an environment, a git configuration, a plan and links under the names that the jobs write."""
    mark = tmp_path / "mark"
    project.git("git checkout --quiet -B change origin/main")
    code = f"open({str(mark)!r}, 'w').close()\n"
    for name in ("secrets", "json", "sitecustomize", "reconciler", "usercustomize"):
        (project.folder / f"{name}.py").write_text(code)
    (project.folder / ".env").write_text("EXTRUCT_API_URL=http://127.0.0.1:9\n")
    (project.folder / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9\n")
    (project.folder / "plan.json").symlink_to(mark)
    (project.folder / "live.snapshot").symlink_to(mark)
    path = project.folder / MANIFEST
    path.write_text(path.read_text().replace(*ADD))
    project.commit("change")
    evil = {"EXTRUCT_API_URL": "http://127.0.0.1:9"}  # a pipeline's variable is stronger than the file's own
    planned = project.plan(variables=evil)
    assert planned.code == 0, planned.log
    ended = project.pipeline(project.merge(), **evil)
    assert [each.code for each in ended.values()] == [0, 0, 0], ended
    assert not mark.exists()
    assert set(project.simulator.charges().values()) == {1}


@pytest.mark.story
def test_a_default_branch_of_another_name(project: Project) -> None:
    """Nothing is called main."""
    project.git("git push --quiet origin main:master")
    project.branch = project.forge.default_branch = "master"
    project.git("git fetch --quiet origin")
    project.change(*ADD)
    assert project.plan().code == 0
    ended = project.pipeline(project.merge())
    assert [each.code for each in ended.values()] == [0, 0, 0], ended


@pytest.mark.story
@pytest.mark.parametrize("ends", [True, False], ids=["the call ends", "the call lasts longer than the runner waits"])
def test_an_apply_that_is_cancelled(project: Project, *, ends: bool) -> None:
    """During a run call: every call is in the ledger and in the receipt, the next apply does not begin.

    One push more sends what is left, and no cell is bought twice.
    """
    project.change(*ADD)
    assert project.plan().code == 0
    planned = json.loads(project.artifacts["plan"]["plan.json"])["totals"]["cells"]
    project.git("git checkout --quiet -B second origin/main")
    (project.folder / "manifests/other.yaml").write_text(OTHER)
    project.commit("second")
    assert project.plan(8, "second").code == 0
    before = project.merge()
    project.merge(8, "second")
    project.simulator.fault("latency", "POST", seconds=3.0)
    project.grace = 60.0 if ends else 0.2
    ended = project.pipeline(before)["apply"]
    assert ended.code < 0, ended.log
    reports = {path.rsplit("/", 1)[1]: content for path, content in project.artifacts["apply"].items()}
    assert reports["7.code"] == (b"6\n" if ends else b"137\n"), ended.log
    assert reports["8.code"] == b"130\n"
    first, second = (note["body"] for note in project.forge.notes if "Plan `default`" not in note["body"])
    assert "Applied `default`: " in first
    assert ("This is what the ledger holds of it." in first, "**In doubt:** 1 call" in first) == (not ends, not ends)
    assert "nothing was sent" in second
    assert "it was cancelled" in second
    until = time.monotonic() + 30
    while not project.simulator.charges() and time.monotonic() < until:
        time.sleep(0.02)  # what was sent is charged after the latency, killed or not
    assert 0 < sum(project.simulator.charges().values()) < planned
    project.simulator.clear_faults()
    project.grace = None
    if ends:
        again = project.pipeline(before)
        # The second plan lists the first change's table too, as it was before that change.
        assert again["apply"].code == 6, again["apply"].log
        assert len(project.simulator.charges()) > planned
    assert set(project.simulator.charges().values()) == {1}
