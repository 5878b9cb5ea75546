"""Answers that predate their row's present inputs: told and priced, never bought unasked, and never with a value."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from reconciler.ledger import open_ledger
from reconciler.manifests import json_schema
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, FILL, Desk, row_id
from tests.status.test_stale import change_prompt

ONE = FILL.partition("    - name: retry")[0]
KEYS = ("news", "notes")
STALE = "target-accounts/fill: {} the present inputs: {} ({})\n"


def reading(key: str, *read: str) -> dict[str, Any]:
    """Return an agent column whose prompt names others."""
    prompt = " ".join(f"{{{each}}}" for each in read)
    return {"kind": "agent", "key": key, "value": {"agent_type": "research", "prompt": prompt}}


@pytest.fixture
def filled(make_desk: MakeDesk) -> Desk:
    """Return a desk whose ledger bought six rows of `news`, made from `site`, and of `notes`, made from `news`."""
    rows = [{"id": row_id(n), "data": {"site": f"{n}.example", "other": "x"}} for n in range(1, 7)]
    inputs = [{"kind": "input", "key": key} for key in ("site", "other")]
    desk = make_desk(
        {
            "id": ACCOUNTS,
            "name": "Target Accounts",
            "columns": [*inputs, reading("news", "site"), reading("notes", "news")],
            "rows": rows,
        }
    )
    desk.write(ONE)
    buy(desk)
    assert sum(desk.charged().values()) == 12
    return desk


def buy(desk: Desk, settle: Sequence[str] = ("wait",)) -> None:
    """Apply wave by wave, and settle what was bought."""
    for _ in KEYS:
        said = desk.run("apply", "--yes", "--no-wait")
        assert said.code == 0, said.err
        desk.simulator.finish()
    assert desk.run(*settle).code == 0


def change_input(desk: Desk, number: int, **data: str) -> None:
    """Give a row another input, as its owner would in the vendor's page."""
    headers = {"Authorization": f"Bearer {desk.simulator.token}"}
    with httpx.Client(base_url=desk.simulator.url, headers=headers, trust_env=False) as page:
        rows = {"rows": [{"id": row_id(number), "data": data}]}
        assert page.patch(f"/v1/tables/{ACCOUNTS}/rows", json=rows).is_success


def stale(desk: Desk) -> str:
    """Return what `drift --stale` says."""
    said = desk.run("drift", "--stale")
    assert said.code == 0, said.err
    return said.out


def test_another_input_makes_the_cells_of_its_row_stale(filled: Desk) -> None:
    """Those whose column reads it, folded or not; the former input again ends it. Nothing falls due."""
    assert stale(filled) == ""
    change_input(filled, 2, other="y")
    assert stale(filled) == ""
    change_input(filled, 2, site="two.example")
    assert stale(filled) == STALE.format("1 cell predates", "1 credit", "news")
    assert filled.run("ledger", "compact").code == 0
    assert stale(filled) == STALE.format("1 cell predates", "1 credit", "news")
    document = filled.run("drift", "--stale", "--format", "json").json
    assert json_schema.problems("drift", document) == []
    (cause,) = document["causes"]
    assert (cause["reason"], cause["cells"], cause["credits"], cause["kind"]) == ("predates_inputs", 1, 1, "stale")
    assert filled.run("plan", "--format", "json").json["totals"]["cells"] == 0
    change_input(filled, 2, site="2.example")
    assert stale(filled) == ""


def test_explain_names_the_cells(filled: Desk) -> None:
    """As for the prompt: one line below the verdict, and the rows in the JSON."""
    change_input(filled, 3, site="three.example")
    assert "    1 cell predates the present inputs: 1 credit\n" in filled.run("explain", "target-accounts").out
    found = filled.run("explain", "target-accounts", "--format", "json").json["cells"]
    (told,) = (group["predates_inputs"] for group in found if "predates_inputs" in group)
    assert told == {"rows": [row_id(3)], "credits": 1}


def test_a_cell_upstream_is_an_input_too(filled: Desk) -> None:
    """What was made from it predates it once that was bought again with another answer, until it is bought itself."""
    again = FILL.partition("    - name: fill")[0] + (
        "    - {name: fill, mode: all, revision: r2, columns: [KEY], rows: [" + row_id(1) + "]}\n"
    )
    change_input(filled, 1, site="one.example")
    filled.write(again.replace("KEY", "news"))
    buy(filled)
    filled.write(ONE)
    assert stale(filled) == STALE.format("1 cell predates", "1 credit", "notes")
    filled.write(again.replace("KEY", "notes"))
    buy(filled)
    filled.write(ONE)
    assert stale(filled) == ""


def test_a_cell_that_predates_both_is_counted_once(filled: Desk) -> None:
    """With the prompt, which alone would be reason enough."""
    change_input(filled, 2, site="two.example")
    change_prompt(filled, "{site} Find something else.")
    assert stale(filled) == "target-accounts/fill: 6 cells predate the present prompt: 6 credits (news)\n"


def test_what_was_settled_by_a_later_command_is_known_too(filled: Desk) -> None:
    """By `wait`, and by the next apply."""
    for revision, settle in (("r3", ("wait",)), ("r4", ("apply", "--yes", "--no-wait"))):
        filled.write(
            FILL.replace("mode: new", f"mode: all\n      revision: {revision}").partition("    - name: retry")[0]
        )
        buy(filled, settle)
        change_input(filled, 5, site=f"{revision}.example")
        assert "1 cell predates the present inputs: 1 credit (news" in stale(filled), revision


def test_an_export_carries_it_and_a_snapshot_does_not(filled: Desk) -> None:
    """A snapshot goes to whoever opens a change; a digest of a short input could be guessed."""
    url = f"sqlite:///{filled.folder}/second.db"
    lines = filled.run("ledger", "export").out
    call = next(entry for entry in map(json.loads, lines.splitlines()) if entry["type"] == "call")
    assert list(call["before"]) == ["inputs"]
    (digests,) = call["before"]["inputs"].values()
    (filled.folder / "export.jsonl").write_text(lines, encoding="utf-8")
    assert filled.run("--ledger", url, "ledger", "import", "export.jsonl").code == 0
    assert filled.run("--ledger", url, "ledger", "import", "export.jsonl").code == 0
    assert filled.run("--ledger", url, "ledger", "compact").code == 0
    assert filled.run("--ledger", url, "ledger", "import", "export.jsonl").code == 0
    change_input(filled, 2, site="two.example")
    said = filled.run("--ledger", url, "drift", "--stale")
    assert said.out == STALE.format("1 cell predates", "1 credit", "news")
    with open_ledger(url) as ledger:
        (history,) = ledger.recall([ACCOUNTS]).values()
    assert [name[0] for name in history.checkpoint.parts].count("inputs") == 2
    assert [name for name in history.checkpoint.without_inputs().parts if name[0] == "inputs"] == []
    (filled.folder / "export.jsonl").write_text(lines.replace(digests, digests[:-4]), encoding="utf-8")
    refused = filled.run("--ledger", f"sqlite:///{filled.folder}/third.db", "ledger", "import", "export.jsonl")
    assert (refused.code, "the inputs of call" in refused.err) == (1, True)
