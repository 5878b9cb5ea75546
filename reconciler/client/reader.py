"""Reads tables and their status: nothing but GET, many at once."""

import random as chance
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from reconciler.client.account import AccountRead
from reconciler.client.http.buffers import Buffers
from reconciler.client.http.connection import Connection
from reconciler.client.http.dispatch import PATIENCE_SECONDS, Dispatch
from reconciler.client.http.options import ApiOptions
from reconciler.client.http.tries import Tries
from reconciler.client.http.trust import tls_context
from reconciler.client.http.urls import as_uuid, not_a_table_id
from reconciler.client.tables.listing import HeaderRead, Listing
from reconciler.client.tables.status_read import StatusRead
from reconciler.client.tables.table_read import TableRead
from reconciler.errors import ApiError
from reconciler.model.account import Account
from reconciler.model.answer_filter import AskedAnswers
from reconciler.model.condition import Condition
from reconciler.model.input_cells import AskedInputs
from reconciler.model.observed import ListedTable, TableHeader, TableSnapshot, TableStatus
from reconciler.model.read_scope import WHOLE, ReadScope
from reconciler.model.reading import ReadCost, ReadProgress


class Reader:
    """Reads tables; a context manager, for one thread at a time. Sends GET and nothing else, whatever happens.

    Reads are retried: lost connections, timeouts, 429 and 5xx, at most 5 tries each, with full jitter or as long as
    `Retry-After` asks, up to 60 s. A 401 or 403 ends the reader: it raises Refused at once, asks nothing more, and
    every later read raises the same.
    """

    def __init__(
        self,
        options: ApiOptions,
        *,
        sleep: Callable[[float], None] | None = None,
        random: Callable[[], float] = chance.random,
        clock: Callable[[], float] = time.monotonic,
        on_progress: Callable[[ReadProgress], None] | None = None,
        admit: Callable[[], object] | None = None,
    ) -> None:
        """`sleep` takes seconds, which `clock` counts; `random` gives 0 ≤ x < 1.

        `on_progress` is called by the thread that reads, `admit` before each request, by the thread that sends it: it
        waits until the request may be sent. Without it, one thread awaits all small answers, which costs less.
        """
        context = tls_context(options)
        buffers = Buffers()
        self._page_rows = options.page_rows
        self._on_progress = on_progress
        self._dispatch = Dispatch(
            options.concurrency,
            lambda: Connection(options, context, buffers),
            Tries(options.concurrency, random=random, sleep=sleep, clock=clock, admit=admit),
            patience_seconds=min(PATIENCE_SECONDS, options.timeout_seconds),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; what is still under way is abandoned."""
        self._dispatch.close()

    def abandon(self) -> None:
        """End what is being read within half a second: it raises BadResponse, as do later reads.

        Fit to be called by a signal handler.
        """
        self._dispatch.abandon()

    def read_tables(
        self,
        wanted: Mapping[str, frozenset[str] | None],
        shortcuts: Mapping[str, ReadScope] | None = None,
        conditions: Mapping[str, Sequence[Condition]] | None = None,
        answers: Mapping[str, Sequence[AskedAnswers]] | None = None,
        inputs: Mapping[str, Sequence[AskedInputs]] | None = None,
        *,
        on_table: Callable[[str, TableSnapshot], None] | None = None,
    ) -> dict[str, TableSnapshot | ApiError]:
        """Read tables and return each, or what went wrong with it, in the order asked for.

        `wanted`: table id → names, keys or ids, of the columns whose value digests are needed (None: every output
        column; empty: none). Tables are read whole, but for those of `shortcuts`. `conditions`: table id → those of
        which each row is asked whether it meets them; `answers`: table id → answers to test; `inputs`: table id → cells
        whose inputs are digested. `on_table` is called, by this thread, with each table that was read, while others
        are. Raises Refused on 401 and 403.
        """
        allowed, asked, tested, digested = shortcuts or {}, conditions or {}, answers or {}, inputs or {}
        readings = {
            table: TableRead(
                as_uuid(table) or "",
                columns,
                self._page_rows,
                allowed.get(table, WHOLE),
                tuple(asked.get(table, ())),
                tuple(tested.get(table, ())),
                tuple(digested.get(table, ())),
            )
            for table, columns in wanted.items()
        }
        wanted_as = {id(reading): table for table, reading in readings.items()}
        read: deque[tuple[str, TableSnapshot]] = deque()
        tally = _Tally(len(readings), self._dispatch.requests)
        for reading in readings.values():
            if not reading.table_id:
                reading.outcome = not_a_table_id()
                tally.tables_done += 1

        def on_reply(reading: TableRead) -> None:
            if tally.count(reading) and on_table is not None and isinstance(reading.outcome, TableSnapshot):
                read.append((wanted_as[id(reading)], reading.outcome))
            if self._on_progress is not None:
                self._on_progress(tally.progress(self._dispatch.requests))

        def hand_over() -> bool:
            if read and on_table is not None:
                on_table(*read.popleft())
            return bool(read)

        self._dispatch.run((reading for reading in readings.values() if not reading.is_done), on_reply, hand_over)
        while hand_over():
            pass
        return {table: reading.result() for table, reading in readings.items()}

    def list_tables(self, search: str = "", tags: Sequence[str] = ()) -> tuple[ListedTable, ...]:
        """List the workspace's root tables, oldest first, page by page.

        `search` is for the API to understand; of `tags` a table carries one at least. Raises Refused and BadResponse.
        """
        listing = Listing(search, tuple(tags))
        self._dispatch.run([listing], _ignore)
        found = listing.result()
        if isinstance(found, ApiError):
            raise found
        return found

    def read_headers(self, table_ids: Iterable[str]) -> dict[str, TableHeader | ApiError]:
        """Read many tables without their rows, one GET each. Raises Refused on 401 and 403."""
        peeks = {table: HeaderRead(as_uuid(table) or "") for table in table_ids}
        for peek in peeks.values():
            if not peek.table_id:
                peek.outcome = not_a_table_id()
        self._dispatch.run([peek for peek in peeks.values() if not peek.is_done], _ignore)
        return {table: peek.result() for table, peek in peeks.items()}

    def read_statuses(self, table_ids: Iterable[str]) -> dict[str, TableStatus | ApiError]:
        """Look at the status of many tables, one GET each; return it or what went wrong. Raises Refused on 401, 403."""
        polls = {table: StatusRead(as_uuid(table) or "") for table in table_ids}
        for poll in polls.values():
            if not poll.table_id:
                poll.outcome = not_a_table_id()
        self._dispatch.run([poll for poll in polls.values() if not poll.is_done], _ignore)
        return {table: poll.result() for table, poll in polls.items()}

    def read_account(self) -> Account:
        """Read the token's organization and credits, one GET or two. Raises Refused on 401 and 403.

        What cannot be read is unknown in the result, with the reason.
        """
        reading = AccountRead()
        self._dispatch.run([reading], _ignore)
        return reading.result()

    def cost(self) -> ReadCost:
        """Return where the time went so far."""
        spent = self._dispatch.spent()
        return ReadCost(
            connections=len(spent),
            requests=sum(each.requests for each in spent),
            received_bytes=sum(each.received_bytes for each in spent),
            waiting_seconds=sum(each.waiting_seconds for each in spent),
            decoding_seconds=sum(each.decoding_seconds for each in spent),
            held_seconds=self._dispatch.held_seconds,
        )


class _Tally:
    """Counts a `read_tables` as it goes: adding up thousands of tables after each answer would outlast the reading."""

    def __init__(self, tables: int, requests_before: int) -> None:
        self.tables_done = 0
        self._tables = tables
        self._requests_before = requests_before
        self._rows = 0
        self._rows_of: dict[str, int] = {}
        self._known: dict[str, int] = {}
        self._rows_known = 0
        self._done: set[str] = set()

    def count(self, reading: TableRead) -> bool:
        """Take in what one answer changed; return whether it was the last one that its table needed."""
        self._rows += reading.rows_read - self._rows_of.get(reading.table_id, 0)
        self._rows_of[reading.table_id] = reading.rows_read
        self._rows_known += reading.rows - self._known.get(reading.table_id, 0)
        self._known[reading.table_id] = reading.rows
        is_news = reading.is_done and reading.table_id not in self._done
        if is_news:
            self._done.add(reading.table_id)
            self.tables_done += 1
        return is_news

    def progress(self, requests: int) -> ReadProgress:
        """Return it as people see it."""
        sent = requests - self._requests_before
        return ReadProgress(self.tables_done, self._tables, self._rows, sent, self._rows_known, len(self._known))


def _ignore(_reading: object) -> None:
    """Take a reply that needs no more than being counted."""
