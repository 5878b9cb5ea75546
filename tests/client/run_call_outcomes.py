"""A run call and what became of it, with the token looked for wherever it must not be."""

import traceback
from collections.abc import Callable
from decimal import Decimal

from reconciler.client import SpendClient
from reconciler.errors import ApiError
from reconciler.model.attempt import Receipt
from reconciler.model.manifest import Mode
from reconciler.model.plan import Call, Reason
from tests.client.live_tables import SECRET, TABLE, options, uid
from tests.client.wire_server import Exchange

RECEIPT = {"id": uid(9), "status": "created", "rows": [uid(1)], "columns": [uid(2)], "num_requested_cells": 1}


def call(*, rows: tuple[str, ...] = (uid(1),), table: str = TABLE, identity: str = "0123456789abcdef" * 2) -> Call:
    """Return a call for one cell, or for a column of `rows`."""
    return Call(
        id=identity,
        address="target-accounts/fill",
        table_id=table,
        mode=Mode.NEW,
        revision=None,
        columns=(uid(2),),
        column_keys=("funding",),
        rows=rows,
        cells=1,
        credits=Decimal(1),
        reason=Reason.CELLS_EMPTY,
    )


def outcome(url: str, *, seconds: float = 5, sent: Call | None = None) -> Receipt | ApiError:
    """Send a call, with a deadline of `seconds`, and return what came of it."""
    found: Receipt | ApiError
    try:
        found = SpendClient(options(url, call_seconds=seconds)).send(sent or call())
    except ApiError as error:
        found = error
    if isinstance(found, ApiError):
        assert SECRET not in "".join(traceback.format_exception(found)) + repr(found) + found.hint + found.message
        assert found.__context__ is None
        assert found.__cause__ is None
    return found


def answering(status: int, body: object = b"") -> Callable[[Exchange], None]:
    """Return the behaviour of a server that always answers the same."""
    return lambda exchange: exchange.answer(status, body)
