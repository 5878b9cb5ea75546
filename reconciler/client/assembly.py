"""From one header and many pages to one snapshot, or to the certainty that the table moved while it was read.

Nothing here reads or waits: `next_request` says what to ask, `take` takes the answer. Pages may come back in any order.

The API has no cursor and no version of a table [D], so a row removed in front of a page shifts another row out of sight
unnoticed. What gives it away, all checked for every page:

- neighbouring pages overlap by one row: the first of a page must be the last of the one before;
- a page's own `status.num_rows` and columns are those of the header;
- a page holds exactly as many rows as were asked for and are left;
- no row id comes twice.

A table that moved is read again from its header, `READS` times in all. Cells may change while pages are read; so the
snapshot's status is the least quiet one that any of its answers showed, and it never says idle when one said running.
"""

from dataclasses import dataclass, field

from reconciler.client.cells import settle
from reconciler.client.pages import Counters, Header, Layout, Page, layout, read_header, read_page
from reconciler.client.paths import data_path, table_path
from reconciler.errors import ApiError, BadResponse
from reconciler.observed import IDLE, TableSnapshot

READS = 3
"""The first one, and two more when the table moved."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One GET of rows."""

    offset: int
    limit: int
    layout: Layout


@dataclass(frozen=True, slots=True)
class Request:
    """One GET: a header where `page` is None."""

    table_id: str
    read: int
    """Which read of the table it belongs to; an answer to an earlier one is dropped."""
    page: PageRequest | None = None

    @property
    def path(self) -> str:
        """Return the path below the base URL. Raises Refused where the table's id is not a UUID."""
        return table_path(self.table_id) if self.page is None else data_path(self.table_id)

    @property
    def query(self) -> dict[str, int]:
        """Return the query parameters [D]."""
        return {} if self.page is None else {"offset": self.page.offset, "limit": self.page.limit}

    def decode(self, body: memoryview) -> Header | Page:
        """Reduce the body to what is kept of it. Raises BadResponse."""
        return read_header(body, self.table_id) if self.page is None else read_page(body, self.page.layout)


@dataclass(slots=True)
class Assembly:
    """The reading of one table, from the first request to its outcome."""

    table_id: str
    wanted: frozenset[str] | None
    """Columns, by key or id, whose value digests are wanted; None: every output column."""
    page_rows: int
    outcome: TableSnapshot | ApiError | None = None
    rows_read: int = 0
    """Of the current read."""
    read: int = 1
    moved: str = ""
    """What gave the latest move away."""
    _layout: Layout | None = None
    _asked_header: bool = False
    _offset: int = 0
    """Of the next page to ask for."""
    _end: int = 0
    """No page begins here or later."""
    _outstanding: int = 0
    _pages: dict[int, Page] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """True once there is an outcome."""
        return self.outcome is not None

    def result(self) -> TableSnapshot | ApiError:
        """Return the outcome of a reading that is done."""
        assert self.outcome is not None
        return self.outcome

    def next_request(self) -> Request | None:
        """Return the next GET that can go out now; None: nothing, until an answer is taken."""
        if self.outcome is not None:
            return None
        if not self._asked_header:
            self._asked_header = True
            return Request(self.table_id, self.read)
        if self._layout is None or self._offset >= self._end:
            return None
        page = PageRequest(self._offset, self.page_rows, self._layout)
        self._offset += self.page_rows - self._overlap
        self._outstanding += 1
        return Request(self.table_id, self.read, page)

    def take(self, request: Request | None, answer: Header | Page | ApiError) -> None:
        """Take the answer to a request (None: an error before any); sets `outcome` when it was the last one needed."""
        if self.outcome is not None or (request is not None and request.read != self.read):
            return
        if isinstance(answer, ApiError):
            self._finish(answer)
        elif isinstance(answer, Header):
            self._start(answer)
        elif request is not None and request.page is not None:
            self._take_page(request.page, answer)

    def _start(self, header: Header) -> None:
        self._layout = layout(header, self.wanted)
        rows = header.counters.rows
        self._offset, self._end = 0, max(rows - self._overlap, min(rows, 1))
        if not rows:
            self._finish(self._snapshot(self._layout))

    @property
    def _overlap(self) -> int:
        return 1 if self.page_rows > 1 else 0

    def _take_page(self, asked: PageRequest, page: Page) -> None:
        self._outstanding -= 1
        self._pages[asked.offset] = page
        self.rows_read += len(page.row_ids) - (self._overlap if asked.offset else 0)
        if len(page.row_ids) > asked.limit:
            self._finish(self._bad(f"a page of {asked.limit} rows was asked for and {len(page.row_ids)} came"))
            return
        moved = self._sign_of_move(asked, page)
        if moved:
            self._again(moved)
            return
        if not self._outstanding and self._offset >= self._end:
            self._put_together(asked.layout)

    def _sign_of_move(self, asked: PageRequest, page: Page) -> str:
        rows = asked.layout.header.counters.rows
        if page.counters.rows != rows:
            return f"its number of rows went from {rows} to {page.counters.rows}"
        if not page.same_columns:
            return "its columns changed"
        expected = min(asked.limit, rows - asked.offset)
        if len(page.row_ids) != expected:
            return f"a page held {len(page.row_ids)} rows instead of {expected}"
        step = self.page_rows - self._overlap
        before, after = self._pages.get(asked.offset - step), self._pages.get(asked.offset + step)
        if self._overlap and before is not None and before.row_ids[-1] != page.row_ids[0]:
            return "its rows shifted between two pages"
        if self._overlap and after is not None and after.row_ids[0] != page.row_ids[-1]:
            return "its rows shifted between two pages"
        return ""

    def _put_together(self, plan: Layout) -> None:
        snapshot = self._snapshot(plan)
        if len(set(snapshot.row_ids)) != len(snapshot.row_ids):
            self._again("a row came twice")
        else:
            self._finish(snapshot)

    def _finish(self, outcome: TableSnapshot | ApiError) -> None:
        self.outcome = outcome
        self._pages, self._layout = {}, None  # the snapshot stands alone; thousands of tables are kept

    def _again(self, moved: str) -> None:
        self.moved = moved
        if self.read == READS:
            self._finish(self._bad(f"the table kept changing while it was read, {READS} times: at last {moved}"))
            return
        self.read += 1
        self.rows_read = self._outstanding = 0
        self._layout, self._asked_header = None, False
        self._pages = {}

    def _bad(self, what: str) -> BadResponse:
        return BadResponse(
            f"GET {data_path(self.table_id)}: {what}", hint="Plan again once nobody adds, removes or sorts its rows."
        )

    def _snapshot(self, plan: Layout) -> TableSnapshot:
        header = plan.header
        pages = [self._pages[offset] for offset in sorted(self._pages)]
        cut = [0 if number == 0 else self._overlap for number in range(len(pages))]
        shown = [header.counters, *(page.counters for page in pages)]
        finished = all(counters.is_finished for counters in shown)
        outputs = [column.id for column in header.columns if not column.is_input]
        return TableSnapshot(
            id=header.table_id,
            name=header.name,
            kind=header.kind,
            run_status=_least_quiet(shown),
            header_in_progress=max(counters.in_progress for counters in shown),
            columns=header.columns,
            row_ids=tuple(row for page, skip in zip(pages, cut, strict=True) for row in page.row_ids[skip:]),
            missing_inputs=b"".join(page.missing_inputs[skip:] for page, skip in zip(pages, cut, strict=True)),
            states={
                column: settle(
                    b"".join(page.codes[index][skip:] for page, skip in zip(pages, cut, strict=True)),
                    running=not finished,
                )
                for index, column in enumerate(outputs)
            },
            digests={
                outputs[index]: tuple(
                    digest for page, skip in zip(pages, cut, strict=True) for digest in page.digests[place][skip:]
                )
                for place, index in enumerate(plan.digested)
            },
        )


def _least_quiet(shown: list[Counters]) -> str:
    return next((counters.run_status for counters in shown if counters.run_status != IDLE), IDLE)
