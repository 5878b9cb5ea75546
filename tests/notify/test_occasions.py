"""Webhooks of the project file hear of applies and drift once the ledger does, and change nothing of the outcome."""

import json
import signal
import threading
import time
from pathlib import Path

import pytest

from reconciler.cli.apply import interruptible
from reconciler.cli.console import Console
from reconciler.ledger import open_ledger
from reconciler.manifests import json_schema
from reconciler.model.report import Report, Unsent
from reconciler.operations.apply_events import Interrupt
from reconciler.operations.notify import notify
from reconciler.settings.settings import Flags, load_settings
from tests.client.wire_server import Exchange, WireServer
from tests.journey.desk import ACCOUNTS, REFRESH, Desk, row_id
from tests.settings.test_which_project import HEAD

RUN = "/v1/tables/*/run"
SECRET = "v3ry-s3cret"


def project(*hooks: str, limits: str = "") -> str:
    """Return a project file with webhooks."""
    return f"{HEAD}spec:\n{limits}  notify:\n" + "".join(f"  - {hook}\n" for hook in hooks)


ALL = "{url: {env: HOOK_URL}}"
"""A webhook that hears of everything, as JSON."""


@pytest.fixture
def receiver(desk: Desk) -> WireServer:
    """Return a receiver that the desk's project tells of everything, not started."""
    server = WireServer(lambda exchange: exchange.answer(200))
    tell(desk, server)
    return server


def tell(desk: Desk, server: WireServer, text: str = project(ALL)) -> None:
    """Let the project of a desk tell a receiver."""
    desk.write(text, "reconciler.yaml")
    desk.extra["HOOK_URL"] = f"{server.url}/{SECRET}"
    desk.extra["RECONCILER_NOTIFY_HOSTS"] = f"hooks.slack.com, 127.0.0.1:{server.port}"


def bodies(server: WireServer) -> list[dict[str, object]]:
    """Return the messages that a receiver got, each by its schema."""
    found = [json.loads(seen.body) for seen in server.requests]
    assert [json_schema.problems("notification", each) for each in found] == [[] for _ in found]
    return found


def test_an_apply_is_told_once_the_ledger_has_it(desk: Desk) -> None:
    """With counts, the plan's id and the exit code; nothing of a cell, and nothing if nothing was due."""
    states = []

    def behave(exchange: Exchange) -> None:
        with open_ledger(str(desk.folder / ".reconciler/ledger.db")) as ledger:
            states.append({call.state.value for call in ledger.calls()})
        exchange.answer(200)

    with WireServer(behave) as server:
        tell(desk, server)
        said = desk.run("apply", "--yes", "--no-wait")
        assert (said.code, SECRET in said.out + said.err) == (0, False)
        (body,) = bodies(server)
        assert states == [{"accepted"}]
        assert (body["events"], body["exit_code"], body["project"]) == (["applied"], 0, desk.folder.name)
        assert str(body["text"]).startswith("Applied: 3 calls accepted, 8 cells, 8 credits.")
        totals = body["totals"]
        assert isinstance(totals, dict)
        assert (totals["cells_accepted"], len(desk.charged())) == (8, 8)
        desk.simulator.finish()
        desk.run("apply", "--yes", "--no-wait")
        assert len(server.requests) == 1


def test_a_refusal_is_told(desk: Desk, receiver: WireServer) -> None:
    """Of a limit, and of a saved plan that is stale; a person who says no, and a bad manifest, are none."""
    with receiver as server:
        assert desk.run("plan", "--out", "plan.json").code == 0
        assert desk.run("apply", "--yes", "--max-credits", "3").code == 3
        desk.write(desk.write("", "empty").read_text() + '{"format_version": "9.0"}', "edited.json")
        assert desk.run("apply", "--plan", "edited.json").code == 4
        assert desk.run("apply").code == 1
        found = bodies(server)
    assert [(body["events"], body["exit_code"]) for body in found] == [(["refused"], 3), (["refused"], 4)]
    assert "8 credits" in str(found[0]["text"])


def test_a_doubt_and_a_refusal_of_the_api_are_told(desk: Desk, receiver: WireServer) -> None:
    """The API's own words are not passed on."""
    with receiver as server:
        words = {"detail": {"error": "plan_required", "answer": "ACME"}}
        desk.simulator.fault("status", "POST", RUN, status=402, body=words, times=1)
        assert desk.run("apply", "--yes", "--no-wait").code == 6
        desk.simulator.fault("status", "POST", RUN, status=502, times=1)
        assert desk.run("apply", "--yes", "--no-wait").code == 7
        refused, doubt = bodies(server)
    assert refused["events"] == ["refused", "applied"]
    assert "refused by the API (402)" in str(refused["text"])
    assert "ACME" not in json.dumps(refused)
    assert doubt["events"] == ["in_doubt", "applied"]
    assert doubt["in_doubt"] == [
        call["id"] for call in desk.run("ledger", "list", "--state", "in_doubt", "--format", "json").json
    ]


def test_a_budget_is_told_when_an_apply_takes_it_past_80_percent(desk: Desk) -> None:
    """Once: of an apply that begins beyond it, no more is said than by its plan."""
    limits = "  limits: {per_day: {max_credits: 10}, per_month: {max_credits: 1000}}\n"
    with WireServer(lambda exchange: exchange.answer(200)) as server:
        tell(desk, server, project("{url: {env: HOOK_URL}, on: [budget]}", limits=limits))
        assert desk.run("apply", "--yes", "--no-wait", "--target", "*/retry").code == 0
        assert server.requests == []
        desk.simulator.finish()
        assert desk.run("apply", "--yes", "--no-wait").code == 0
        desk.simulator.finish()
        (body,) = bodies(server)
        assert body["events"] == ["budget", "applied"]
        assert "today: 8 of 10 credits, 2 left after this plan (80 % used)" in str(body["text"])
        desk.write(REFRESH.replace("columns: [news]", f"columns: [news]\n      rows: [{row_id(1)}]"))
        assert desk.run("apply", "--yes", "--no-wait").code == 0
        assert len(server.requests) == 1


def test_drift_is_told_if_it_counts(desk: Desk) -> None:
    """In Slack's form here; a webhook hears of its own occasions alone."""
    hook = "{url: {env: HOOK_URL}, on: [drift], format: slack}"
    with WireServer(lambda exchange: exchange.answer(200)) as server:
        tell(desk, server, project(hook, "{url: {env: OTHER_URL}, on: [applied]}"))
        assert desk.run("drift", "--fail-on", "dead_end").code == 0
        assert desk.run("drift").code == 2
        assert desk.run("apply", "--yes", "--max-credits", "3").code == 3
        (seen,) = server.requests
    text = json.loads(seen.body)["text"].splitlines()
    assert text[0].endswith(": Drift: 8 cells due, 8 credits.")
    assert text[1] == "• target-accounts/fill: 7 cells have no value"


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"HOOK_URL": ""}, "the variable is not set"),
        ({"RECONCILER_NOTIFY_HOSTS": "hooks.slack.com"}, "its host is not allowed"),
        ({"HOOK_URL": f"https://hooks.slack.com@evil.example/{SECRET}"}, "it does not hold an address"),
    ],
)
def test_a_message_that_may_not_be_sent_is_a_line_on_stderr(
    desk: Desk, receiver: WireServer, extra: dict[str, str], said: str
) -> None:
    """The exit code is that of the apply, and the address is not shown."""
    desk.extra |= extra
    with receiver as server:
        done = desk.run("-v", "apply", "--yes", "--no-wait")
        assert (done.code, server.requests) == (0, [])
    (line,) = (line for line in done.err.splitlines() if "webhook" in line)
    assert line.startswith(f"The webhook in HOOK_URL was not told how this ended: {said}")
    assert SECRET not in done.out + done.err


def test_a_flag_names_the_hosts(desk: Desk, receiver: WireServer) -> None:
    """In place of the variable."""
    desk.extra["RECONCILER_NOTIFY_HOSTS"] = ""
    with receiver as server:
        desk.run("drift", "--notify-host", "hooks.slack.com", "--notify-host", f"127.0.0.1:{server.port}")
        assert len(server.requests) == 1


def test_the_webhooks_are_those_of_the_base(desk: Desk, receiver: WireServer) -> None:
    """A change can neither add one nor take one away."""
    with receiver as server:
        base = desk.folder / "base"
        (base / "manifests").mkdir(parents=True)
        desk.write(project(ALL), "base/reconciler.yaml")
        desk.write(f"{HEAD}spec: {{notify: [{{url: {{env: OTHER_URL}}}}]}}\n", "reconciler.yaml")
        desk.extra["OTHER_URL"] = f"{server.url}/other"
        desk.run("apply", "--yes", "--no-wait", "--limits-from", str(base))
        assert [seen.path for seen in server.requests] == [f"/{SECRET}"]


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (f"{{url: https://hooks.slack.com/{SECRET}}}", "must be a mapping"),
        (f"{{url: {{env: https://hooks.slack.com/{SECRET}}}}}", "the name of an environment variable"),
        ("{url: {env: HOOK_URL}, on: [aplied]}", "applied"),
        ("{url: {env: HOOK_URL}, format: teams}", "slack"),
        ("{on: [applied]}", "url"),
    ],
)
def test_a_wrong_entry_is_a_problem_at_its_line(desk: Desk, hook: str, message: str) -> None:
    """And an address that was written down by mistake is not repeated."""
    desk.write(project(hook), "reconciler.yaml")
    said = desk.run("validate")
    assert (said.code, "reconciler.yaml:5:" in said.err + said.out, message in said.err + said.out) == (1, True, True)
    assert SECRET not in said.err + said.out


def test_a_receiver_that_stalls_is_left_once_a_signal_comes(tmp_path: Path) -> None:
    """Whatever it does, the end does not wait for it."""
    (tmp_path / "reconciler.yaml").write_text(project(ALL))
    told: list[str] = []
    interrupt = Interrupt()
    with WireServer(lambda exchange: exchange.hang()) as server:
        environment = {"HOOK_URL": server.url, "RECONCILER_NOTIFY_HOSTS": f"127.0.0.1:{server.port}"}
        settings = load_settings(Flags(project=str(tmp_path)), environment)
        threading.Timer(0.2, lambda: setattr(interrupt, "is_hurried", True)).start()
        began = time.monotonic()
        report = Report("p", unsent=(Unsent("a/fill", ACCOUNTS, 3, ""),))
        notify(report, None, settings, environment, told.append, interrupt)
        assert time.monotonic() - began < 2
    assert told == ["The webhook in HOOK_URL was not told how this ended: a signal came first."]


def test_a_signal_after_the_report_hurries_the_end() -> None:
    """It neither ends the program nor changes its exit code."""
    with interruptible(Console({"quiet": True, "log_format": "text"})) as interrupt:
        interrupt.is_over = True
        signal.raise_signal(signal.SIGINT)
        assert (interrupt.is_hurried, bool(interrupt)) == (True, False)
