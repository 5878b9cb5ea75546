"""A plan file that is read call by call is the file that is read whole, or it is refused as that would be."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.documents import plan_file
from reconciler.documents.plan_file import iter_json, plan_id
from reconciler.errors import StalePlan
from reconciler.model.observed import TableSnapshot
from reconciler.operations.plan_pieces import WrittenCalls, plan_document
from reconciler.operations.read_plan import read_plan_document
from tests.documents.test_plan_file import ORIGIN, SIMPLE, every_leaf, plan_of
from tests.planning.tables_and_manifests import a_column, a_table

EXACT = a_table([a_column(1)], [".."])
DONE = a_table([a_column(1)], ["d"])


def signed(table: TableSnapshot = SIMPLE) -> dict[str, Any]:
    """Return the content of a plan, its calls twice, with the id that it has to have."""
    plan = replace(plan_of(table), manifest_digest=f"sha256:{0:064}")
    content = plan_file.document(plan, ORIGIN)
    content["calls"] = [*content["calls"], *content["calls"]]
    return content | {"plan_id": plan_id(content)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file of a plan with several calls."""
    path = tmp_path / "plan.json"
    path.write_text("".join(iter_json(signed())), encoding="utf-8")
    return path


@pytest.mark.parametrize("table", [EXACT, SIMPLE, DONE], ids=["whole calls", "due cells", "nothing due"])
def test_both_ways_give_the_same(tmp_path: Path, table: TableSnapshot) -> None:
    """Down to the digest."""
    path = tmp_path / "plan.json"
    path.write_text("".join(iter_json(signed(table))), encoding="utf-8")
    whole = read_plan_document(path)
    with plan_document(path) as content:
        assert isinstance(content["calls"], WrittenCalls) == bool(whole["calls"])
        assert {**content, "calls": list(content["calls"])} == whole
        assert plan_id(content) == whole["plan_id"]


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_a_file_that_was_spelled_differently_is_read_whole(file: Path, indent: int | None) -> None:
    """Its calls are not where they are looked for."""
    whole = read_plan_document(file)
    file.write_text(json.dumps(whole, indent=indent), encoding="utf-8")
    with plan_document(file) as content:
        assert content == whole


def test_what_is_refused_whole_is_refused_in_pieces(file: Path) -> None:
    """Each value of the file in turn is another; the message is the same."""
    content = signed()
    for container, key in every_leaf(content):
        before, container[key] = container[key], ["edited"]
        file.write_text("".join(iter_json(content)), encoding="utf-8")
        container[key] = before
        with pytest.raises(StalePlan) as whole:
            read_plan_document(file)
        with pytest.raises(StalePlan) as pieces, plan_document(file):
            pass
        assert str(pieces.value) == str(whole.value), key


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_half_a_file_is_refused(file: Path, share: float) -> None:
    """A disk was full, or it is still being written."""
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(StalePlan, match="is not JSON"), plan_document(file):
        pass


@pytest.mark.parametrize("more", ['  "calls": [],\n', '  "errored": false, "calls": [],\n'])
def test_two_lists_of_calls_are_refused(file: Path, more: str) -> None:
    """A reader may pick either, and the reviewer saw one of them."""
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('  "skipped": [', f'{more}  "skipped": ['), encoding="utf-8")
    with pytest.raises(StalePlan, match="it holds a key twice"), plan_document(file):
        pass


def test_a_file_that_is_written_to_meanwhile_is_noticed(file: Path) -> None:
    """Its calls were checked as they were; there are more of them than a buffer holds."""
    plan = signed()
    plan["calls"] *= 50
    file.write_text("".join(iter_json(plan | {"plan_id": plan_id(plan)})), encoding="utf-8")
    with plan_document(file) as content:
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace('"wave": 1', '"wave": 2'), encoding="utf-8")
        with pytest.raises(StalePlan, match="written to while it was read"):
            list(content["calls"])
