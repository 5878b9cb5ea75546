"""A receipt from the ledger alone, for an apply that was killed before it could write its report."""

from collections.abc import Sequence

from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallRecord
from reconciler.render.markdown import LIMIT, Section, cell, fit, number, row, rows_head
from reconciler.text.numbers import counted, json_number

_TITLES = ("call", "run", "mode", "cells:", "requested:", "credits:", "outcome")
_OPEN = (CallState.INTENT, CallState.IN_DOUBT)
_DOUBT = """**In doubt:** {calls} may have been paid for, so nothing sends it again. It settles by itself once the \
table shows that it ran. Otherwise look at the table, then say which: `reconciler ledger resolve CALL --landed` or \
`--not-landed`, with `--reason`."""


def ledger_markdown(calls: Sequence[CallRecord], title: str, why: str, foot: str, limit: int = LIMIT) -> str:
    """Return the calls that a ledger holds of one plan as Markdown; the texts are words of the caller's own making."""
    accepted = [call for call in calls if call.state is CallState.ACCEPTED]
    doubtful = [call for call in calls if call.state in _OPEN]
    sizes = f"{counted(len(accepted), 'call')} accepted, {counted(sum(call.cells for call in accepted), 'cell')}"
    head = [f"### {title}: {sizes if calls else 'nothing was sent'}", why]
    if doubtful:
        head.append(_DOUBT.format(calls=counted(len(doubtful), "call")))
    sections = [Section("call", [_call(call) for call in calls], rows_head(*_TITLES))] if calls else []
    return fit("\n\n".join(head), sections, foot, "`reconciler ledger list` shows all of them.", limit)


def _call(call: CallRecord) -> str:
    requested = "" if call.requested_cells is None else number(call.requested_cells)
    state = "in doubt" if call.state in _OPEN else call.state.value.replace("_", " ")
    sizes = [number(call.cells), requested, number(json_number(call.credits))]
    return row(cell(call.id[:8]), cell(call.address), cell(call.mode.value), *sizes, cell(state))
