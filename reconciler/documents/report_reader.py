"""A report file taken back as the report it was made from, to be shown; its texts are cleaned like those of a plan."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from reconciler.documents.plan_reader import budget_of, call_in_doubt, decimal, text
from reconciler.model.attempt import CallResult, Ending, Receipt, Settlement, Stop, StopCause, Yield
from reconciler.model.expectation import Judgement, Unmet
from reconciler.model.history import Block, CallState
from reconciler.model.manifest import Mode
from reconciler.model.plan import Call, ExpectedGrowth, Reason
from reconciler.model.report import HeldBack, Outgrown, Report, Unsent, Yielded
from reconciler.model.rollout_result import RolloutResult
from reconciler.text.location import Location

Document = Mapping[str, Any]

_NOWHERE = Location("", 1, 1)
_NOT_TRIED = "not_attempted"


def report_of(content: Document) -> Report:
    """Return the report that a file holds; the content was checked against `schemas/report.v1.json`."""
    stop = content["stopped"]
    return Report(
        plan_id=text(content["plan_id"]),
        results=tuple(_result(each) for each in content["calls"]),
        stop=Stop(StopCause(stop["cause"]), text(stop["message"]), text(stop["hint"])) if stop else None,
        in_doubt=tuple(call_in_doubt(each) for each in content["in_doubt_before"]),
        unrecorded=tuple(content["unrecorded"]),
        waited=content["waited"],
        still_running=tuple(content["still_running"]),
        held_back=tuple(_held(each) for each in content.get("held_back", ())),
        outgrown=tuple(_outgrown(each) for each in content.get("outgrown", ())),
        later=tuple(_later(each) for each in content.get("later", ())),
        unsent=_unsent(content, "unsent"),
        blocked=_unsent(content, "blocked"),
        awaited=tuple(content.get("awaited", ())),
        resumed=tuple(_result(each) for each in content.get("resumed", ())),
        stale={text(each["manifest"]): text(each["reason"]) for each in content.get("stale", ())},
        budgets=tuple(budget_of(each) for each in content.get("budgets", ())),
        yields=tuple(_yielded(each) for each in content.get("yield", ())),
        unmet=tuple(_unmet(each) for each in content.get("unmet", ())),
    )


def _unsent(content: Document, key: str) -> tuple[Unsent, ...]:
    return tuple(
        Unsent(text(each["address"]), each["table_id"], each["cells"], text(each["reason"]))
        for each in content.get(key, ())
    )


def _call(of: Document, credits_: Decimal | None, mode: Mode, revision: str | None) -> Call:
    return Call(
        id=text(of["id"]),
        address=text(of["address"]),
        table_id=of["table_id"],
        mode=mode,
        revision=None if revision is None else text(revision),
        columns=tuple(text(each["id"]) for each in of.get("columns", ())),
        column_keys=tuple(text(each["key"]) for each in of.get("columns", ())),
        rows=(),
        cells=of["cells"],
        credits=credits_,
        reason=Reason.CELLS_EMPTY,  # a report does not say, and its renderers do not ask
        wave=of.get("wave", 1),
        table_name=text(of.get("table_name", "")),
    )


def _result(of: Document) -> CallResult:
    settled, state = of["settled"], of["state"]
    ending = None
    if state != _NOT_TRIED:
        is_accepted = state == CallState.ACCEPTED.value
        receipt = Receipt(text(of["run_id"] or ""), of["requested_cells"]) if is_accepted else None
        ending = Ending(CallState(state), text(of["detail"] or ""), of["status"], receipt)
    return CallResult(
        _call(of, decimal(of["credits"]), Mode(of["mode"]), of["revision"]),
        ending,
        text(of["detail"] or "") if ending is None else "",
        Settlement(settled["done"], settled["failed"], settled["not_started"]) if settled else None,
        not_started=_blocks(of.get("not_started", ())),
        failed=_blocks(of.get("failed", ())),
    )


def _blocks(of: Iterable[Document]) -> tuple[Block, ...]:
    return tuple(Block(tuple(map(text, each["columns"])), tuple(map(text, each["rows"]))) for each in of)


def _later(of: Document) -> Call:
    return _call(of, None, Mode.NEW, None)


def _held(of: Document) -> HeldBack:
    judged = tuple(map(Judgement.of, of.get("expect", ())))
    trial = RolloutResult(of["tried"], decimal(of["max_failed"]), of["tried"], of["failed"], judged)
    return HeldBack(text(of["address"]), of["table_id"], trial, of["cells"])


def _yielded(of: Document) -> Yielded:
    total = Yield(of["answers"], of["changed"], decimal(of.get("credits")))
    return Yielded(text(of["address"]), of["table_id"], text(of["column"]), total, text(of.get("table_name", "")))


def _unmet(of: Document) -> Unmet:
    judged = tuple(map(Judgement.of, of["expect"]))
    return Unmet(
        text(of["address"]), of["table_id"], judged, text(of.get("problem", "")), text(of.get("table_name", ""))
    )


def _outgrown(of: Document) -> Outgrown:
    growth = ExpectedGrowth(
        manifest=text(of["manifest"]),
        table_id="",
        because=text(of["because"]),
        max_cells=of["max_cells"],
        max_credits=decimal(of["max_credits"]),
        location=_NOWHERE,
        is_allowed=True,
    )
    return Outgrown(growth, of["cells"], decimal(of["credits"]))
