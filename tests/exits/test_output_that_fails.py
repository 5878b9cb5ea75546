"""Once something may be paid for, an output that cannot be written costs neither the exit code nor the report."""

from pathlib import Path

import pytest

from tests.at_most_once.program_copies import copy_of_the_program
from tests.at_most_once.small_tables import let_pass, states
from tests.exits.conftest import Start
from tests.journey.desk import Desk

IN_DOUBT = 7


def tells_the_outcomes(said: str, office: Desk) -> bool:
    """Say whether a text holds what became of the calls, and how to end the doubt."""
    return "accounts/news" in said and "in doubt" in said and "3 calls accepted" not in said and "resolve" in said


@pytest.mark.parametrize("option", ["--out", "--profile"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_sent(office: Desk, option: str) -> None:
    """Its folder is not there: exit 1, and the program has not even looked at the tables."""
    said = office.run("apply", "--yes", "--no-wait", option, "no/such/file.json")
    assert (said.code, office.simulator.requests()) == (1, [])
    assert f"{option} cannot be written, so nothing was sent: no/such/file.json: No such file" in said.err


@pytest.mark.parametrize("option", ["--out", "--profile"])
def test_a_disk_that_is_full_in_the_end_leaves_exit_code_and_report(office: Desk, option: str) -> None:
    """The file could be opened and cannot be filled: the report comes on stderr."""
    said = office.run("apply", "--yes", "--no-wait", "--format", "json", option, "/dev/full")
    assert (said.code, len(office.posts())) == (IN_DOUBT, 3)
    assert "was not saved: No space left on device" in said.err
    assert tells_the_outcomes(said.err, office)
    assert said.json["exit_code"] == IN_DOUBT


def test_a_page_of_the_job_that_cannot_be_written_leaves_exit_code_and_report(office: Desk) -> None:
    """The CI's own file for summaries is not there."""
    office.extra["GITHUB_STEP_SUMMARY"] = "no/such/page.md"
    said = office.run("apply", "--yes", "--no-wait", "--format", "markdown")
    assert said.code == IN_DOUBT
    assert "the page of the CI's job has no receipt: No such file or directory" in said.err
    assert tells_the_outcomes(said.err, office)


@pytest.mark.parametrize(
    ("form", "stream"),
    [("json", ">&-"), ("markdown", "> /dev/full"), ("json", "| true")],
    ids=["closed", "full", "reader gone"],
)
def test_a_stdout_that_takes_nothing_leaves_exit_code_and_report(
    office: Desk, start: Start, form: str, stream: str
) -> None:
    """Closed, full, or a pipe that has lost its reader: the report comes on stderr."""
    line = f"reconciler apply --yes --no-wait --format {form} {stream}; exit ${{PIPESTATUS[0]}}"
    process = start(shell=line)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, len(office.posts())) == (IN_DOUBT, 3), err
    assert "stdout cannot be written" in err.decode()
    assert tells_the_outcomes(err.decode(), office)


def test_a_reader_that_goes_away_while_calls_are_sent_changes_nothing(office: Desk, start: Start) -> None:
    """The plan was read, the results were not: they are on stderr, and so is the report."""
    office.simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.4)
    process = start("apply", "--yes", "--no-wait")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read().decode()
    assert (process.wait(60), len(office.posts())) == (IN_DOUBT, 3), err
    assert tells_the_outcomes(err, office)
    process.stderr.close()


def test_a_stdout_that_lacks_characters_says_them_otherwise(office: Desk, start: Start) -> None:
    """The glyphs of the text are not in it: they are spelled, in the plan as well as in the report."""
    process = start("apply", "--yes", "--no-wait", environment={"PYTHONIOENCODING": "latin-1"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, len(office.posts())) == (IN_DOUBT, 3), err
    assert tells_the_outcomes(out.decode("latin-1"), office)
    assert b'--reason "\\u2026"' in out


def test_a_stdout_that_is_full_from_the_beginning_sends_nothing(office: Desk, start: Start) -> None:
    """The plan could not be shown, so it is not applied: exit 1, with a reason and no traceback."""
    process = start(shell="reconciler apply --yes --no-wait > /dev/full")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, office.posts()) == (1, []), err
    assert b"No space left on device" in err
    assert b"Traceback" not in err


def test_nowhere_to_say_anything_still_leaves_the_exit_code(office: Desk, start: Start) -> None:
    """Both streams are closed: the ledger knows, and so does whoever reads the exit code."""
    process = start(shell="reconciler apply --yes --no-wait --format json >&- 2>&-")
    process.communicate(timeout=60)
    assert process.returncode == IN_DOUBT
    assert states(office)["accounts/news"] == "in_doubt"


@pytest.mark.parametrize(
    ("module", "function", "form"),
    [
        (
            "render/report_text",
            "def sums_text(report: Report) -> str:\n",
            "text",
        ),
        pytest.param(
            "documents/report_file",
            "def document(report: Report, exit_code: int) -> dict[str, Any]:\n",
            "json",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "render/report_text",
            "def result_text(result: CallResult, width: int, paint: Paint, *, rows: bool = False) -> str:\n",
            "text",
            marks=pytest.mark.long,
        ),
        ("operations/apply", "    def _conclude(self, last: Plan, later: Iterable[Call]) -> Report:\n", "text"),
    ],
    ids=["the report's text", "its JSON", "a result's line", "the end of the sending"],
)
def test_a_bug_after_the_first_intent_costs_neither_exit_code_nor_report(
    office: Desk, start: Start, tmp_path: Path, module: str, function: str, form: str
) -> None:
    """With a division by zero in a copy of the program, the outcomes are told all the same."""
    program = copy_of_the_program(tmp_path / "copy")
    path = program / "reconciler" / f"{module}.py"
    source = path.read_text(encoding="utf-8")
    assert source.count(function) == 1
    indent = "        " if function.startswith("    ") else "    "
    path.write_text(source.replace(function, f"{function}{indent}1 / 0\n"), encoding="utf-8")
    process = start("apply", "--yes", "--no-wait", "--format", form, program=program)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, len(office.posts())) == (IN_DOUBT, 3), err
    call = next(each for each in office.run("ledger", "list", "--format", "json").json if each["state"] == "in_doubt")
    assert call["id"][:6] in (out + err).decode()
    assert b"ZeroDivisionError" in out + err
    assert b"Traceback" not in err


def test_what_a_person_decided_stands_although_it_cannot_be_said(office: Desk, start: Start) -> None:
    """`ledger resolve` with a stdout that is full: the doubt is ended, so the exit code is 0."""
    office.run("apply", "--yes", "--no-wait")
    call = next(each for each in office.run("ledger", "list", "--format", "json").json if each["state"] == "in_doubt")
    let_pass(office, 30)
    line = f"reconciler ledger resolve {call['id']} --landed --reason billed > /dev/full"
    process = start(shell=line)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, states(office)["accounts/news"]) == (0, "accepted"), err
    assert b"is accepted now" in err


def test_an_answer_that_is_lost_is_an_error_and_a_reader_who_has_read_enough_is_none(
    office: Desk, start: Start
) -> None:
    """Closed: exit 1 and a sentence, of commands and of help pages. With its reader gone: the command's own code."""
    gone = "| (exec <&-; sleep 1.5); echo ${PIPESTATUS[0]} >&2"
    lines = ["reconciler plan >&-; echo $? >&2", "reconciler plan --help >&-; echo $? >&2"]
    process = start(shell="; ".join([*lines, f"reconciler plan --detailed-exitcode {gone}"]))
    _, err = process.communicate(timeout=60)
    told = [line for line in err.decode().splitlines() if "ledger" not in line]
    assert told == [
        "reconciler: E511 the answer cannot be written: stdout is closed",
        "1",
        "reconciler: stdout cannot be written: Bad file descriptor",
        "1",
        "2",
    ]


def test_a_reader_that_leaves_before_the_plan_is_shown_sends_nothing(office: Desk, start: Start) -> None:
    """A plan that was not seen is not applied."""
    process = start(shell="reconciler apply --yes --no-wait | true; exit ${PIPESTATUS[0]}")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, office.posts()) == (1, []), err
    assert "left before the plan was shown, so nothing was sent" in err.decode()
