"""A malformed plan file ends alike in every command that takes one: exit 4, one message, one hint."""

import json

import pytest

from reconciler.documents import strict_json
from reconciler.documents.strict_json import AmbiguousJsonError
from reconciler.errors import SettingsError, StalePlan
from reconciler.model.report import ExitCode
from reconciler.operations.plan_pieces import plan_document
from reconciler.operations.read_plan import plan_content
from reconciler.operations.read_report import report_content
from tests.journey.conftest import desk, make_desk
from tests.journey.desk import Desk

__all__ = ["desk", "make_desk"]

NOT_REACHED = {
    "GITHUB_TOKEN": "x",
    "GITHUB_API_URL": "http://127.0.0.1:1",
    "GITHUB_REPOSITORY": "acme/data",
    "GITLAB_TOKEN": "x",
    "CI_API_V4_URL": "http://127.0.0.1:1",
    "CI_PROJECT_ID": "1",
}
"""Forges that nothing is asked of, since the file is looked at first."""
COMMANDS = (
    "apply --yes --no-wait --plan FILE",
    "comment github --number 1 --plan FILE",
    "comment github --issue --plan FILE",
    "comment gitlab --number 1 --plan FILE",
    "comment github --number 1 --no-report 6 --applied FILE",
    "show FILE",
)
HUGE = "9" * 5000


def spoiled(good: str) -> dict[str, str]:
    """Return texts made from that of a plan file, by what is wrong with each."""
    content = json.loads(good)
    first = good.index('"plan_id"')
    return {
        "cut off": good[: len(good) // 2],
        "without its end": good.rstrip()[:-1],
        "another version": json.dumps({**content, "format_version": "2.0"}),
        "another id": json.dumps({**content, "plan_id": f"sha256:{0:064}"}),
        "an id that is a number": json.dumps({**content, "plan_id": 7}),
        "without its id": json.dumps({key: value for key, value in content.items() if key != "plan_id"}),
        "without a digest": json.dumps({key: value for key, value in content.items() if key != "manifest_digest"}),
        "a huge integer": good.replace('"credits": ', f'"credits": {HUGE}', 1),
        "a huge number": good.replace('"credits": ', '"credits": 1e999, "more": ', 1),
        "credits that are NaN": json.dumps({**content, "totals": {**content["totals"], "credits": float("nan")}}),
        "infinite credits": json.dumps({**content, "totals": {**content["totals"], "credits": float("inf")}}),
        "a key twice": f'{good[:first]}"plan_id": "sha256:{0:064}", {good[first:]}',
        "calls that are null": json.dumps({**content, "calls": None}),
    }


def test_every_command_says_the_same(desk: Desk) -> None:
    """`submit`, which reads the file in pieces, says so too."""
    desk.extra = NOT_REACHED
    assert desk.run("plan", "--out", "plan.json").code == ExitCode.OK
    file = desk.folder / "plan.json"
    for what, text in spoiled(file.read_text(encoding="utf-8")).items():
        desk.write(text, "spoiled.json")
        ends = {
            (said.code, said.err)
            for said in (desk.run(*line.replace("FILE", "spoiled.json").split()) for line in COMMANDS)
        }
        with pytest.raises(StalePlan) as submitted, plan_document(desk.folder / "spoiled.json"):
            pass
        said = f"reconciler: E703 {submitted.value.message}\n  {submitted.value.hint}\n"
        assert ends == {(ExitCode.STALE, said)}, what
    assert desk.posts() == []


def test_a_folder_is_refused(desk: Desk) -> None:
    """The command line is wrong, whichever command it is."""
    desk.extra = NOT_REACHED
    for line in COMMANDS:
        said = desk.run(*line.replace("FILE", "manifests").split())
        assert (said.code, "is a directory" in said.err) == (ExitCode.USAGE, True), line


def test_an_issue_needs_to_know_why_there_is_no_plan(desk: Desk) -> None:
    """A plan file that is missing is an error unless --no-plan says how `plan` ended, as for a comment."""
    desk.extra = NOT_REACHED
    for more in ([], ["--issue"]):
        said = desk.run("comment", "github", "--number", "1", "--plan", "missing.json", *more)
        assert (said.code, "missing.json: No such file" in said.err) == (ExitCode.ERROR, True), said.err
        assert desk.run("comment", "github", "--number", "1", *more).code == ExitCode.USAGE


def test_a_malformed_report_says_where_reports_are_from(desk: Desk) -> None:
    """In `show` as in `comment`."""
    desk.extra = NOT_REACHED
    desk.run("apply", "--yes", "--no-wait", "--out", "report.json")
    good = (desk.folder / "report.json").read_text(encoding="utf-8")
    for text in ('{"by_manifest": []}', good.replace('"credits": ', '"credits": NaN, "more": ', 1)):
        desk.write(text, "report.json")
        for line in ("show report.json", "comment github --number 1 --report report.json"):
            said = desk.run(*line.split())
            assert said.code == ExitCode.ERROR, said.err
            assert said.err.startswith("reconciler: E511 the report file is not understood: ")
            assert said.err.endswith("\n  Name a file that `reconciler apply --out FILE` wrote.\n")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', "[NaN]", "[-Infinity]", "1e999"])
def test_json_that_may_be_read_in_two_ways_is_refused(text: str) -> None:
    """By the one reader of saved files."""
    with pytest.raises(AmbiguousJsonError):
        strict_json.parse(text)


def test_nesting_is_never_a_crash(desk: Desk) -> None:
    """A file may be nested deeper than can be written into a message, though Python reads it."""
    desk.run("plan", "--out", "plan.json")
    plan = json.loads((desk.folder / "plan.json").read_text(encoding="utf-8"))
    for depth in (*range(850, 1000), *range(5_000, 100_000, 5_000)):
        text = json.dumps({**plan, "plan_id": "NESTED"}).replace('"NESTED"', "[" * depth + "]" * depth)
        with pytest.raises(StalePlan):
            plan_content(text.encode())
        with pytest.raises(SettingsError):
            report_content(text.encode())
