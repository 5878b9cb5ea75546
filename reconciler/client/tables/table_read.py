"""Reads one header and many pages into one snapshot, or finds that the table moved while it was read.

Nothing here sends or waits: `next_request` returns what to send, `take` takes the answer. Pages may arrive in any
order.

The API has no cursor and no version of a table [D], so a row removed before a page shifts another row out of sight
unnoticed. To detect that, every page is checked:

- neighbouring pages overlap by one row: the first row of a page must be the last of the page before;
- a page's own `status.num_rows` and columns are those of the header;
- a page has as many rows as were requested and are left, or the rest of it is requested: a server may return fewer;
- no row id occurs twice.

A table that moved is read again from its header, `READS` times in all. Cells may change while pages are read; so the
snapshot's status is the busiest one that any answer showed: it is never idle if one of them said running.

If `read_scope.py` allows it, the header alone is the snapshot, or rows are requested one by one. Single rows come
without a status, so the header is requested again after them and must show the same counters. Their endpoint is known
only from the vendor's client [V]: if anything goes wrong with it, even a 404, pages are read instead.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from reconciler.client.http.urls import data_path, row_path, table_path
from reconciler.client.tables.cells import settle
from reconciler.client.tables.pages import Counters, Header, Layout, Page, layout, read_header, read_page, read_row
from reconciler.errors import ApiError, BadResponse, Refused
from reconciler.model.answer_filter import AskedAnswers
from reconciler.model.compact import PackedAnswers, PackedDigests, PackedIds
from reconciler.model.condition import Condition
from reconciler.model.input_cells import WIDTH, AskedInputs
from reconciler.model.observed import IDLE, TableSnapshot, TableStatus
from reconciler.model.read_scope import WHOLE, ReadScope, header_is_enough, rows_one_by_one

READS = 3
"""One read, and two more if the table moved."""
PAGE_BYTES = 4 * 1024 * 1024
"""The largest page to request, because a page is held in memory."""
CELL_BYTES = 1500
"""The assumed size of a cell until a page of the table has arrived."""
LARGE_BYTES = 1024 * 1024
"""A page expected to be larger than this counts as large."""
_OBJECTS_TO_SIZE = (400, 413, 422)
"""Statuses of a server that refuses pages of the requested size."""
_PAGE_OF_ONE = "If the API returns one row at a time, set `api.page_rows` to 1 in the project file."
_REPEATS = "a page began with the table's first row when it was requested"
_LOWER = "If the API objects to the number of rows, lower `api.page_rows` in the project file, e.g. to 100."


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One GET of rows."""

    offset: int
    limit: int
    layout: Layout


@dataclass(frozen=True, slots=True)
class RowRequest:
    """One GET of a single row."""

    row_id: str
    layout: Layout


@dataclass(frozen=True, slots=True)
class Request:
    """One GET: a header where `page` is None."""

    table_id: str
    read: int
    """Which read of the table it belongs to; an answer to an earlier one is dropped."""
    page: PageRequest | RowRequest | None = None
    is_large: bool = False

    @property
    def path(self) -> str:
        """Return the path below the base URL. Raises Refused if the table's id is not a UUID."""
        if isinstance(self.page, RowRequest):
            return row_path(self.table_id, self.page.row_id)
        return table_path(self.table_id) if self.page is None else data_path(self.table_id)

    @property
    def query(self) -> dict[str, int]:
        """Return the query parameters [D]."""
        return {"offset": self.page.offset, "limit": self.page.limit} if isinstance(self.page, PageRequest) else {}

    def decode(self, body: memoryview) -> Header | Page:
        """Reduce the body to what is kept of it. Raises BadResponse."""
        if isinstance(self.page, RowRequest):
            return read_row(body, self.page.layout, self.page.row_id)
        return read_header(body, self.table_id) if self.page is None else read_page(body, self.page.layout)


@dataclass(slots=True)
class TableRead:
    """The reading of one table, from the first request to its outcome."""

    table_id: str
    wanted: frozenset[str] | None
    """Columns, by key or id, whose value digests are wanted; None: every output column."""
    page_rows: int
    allowed: ReadScope = WHOLE
    conditions: tuple[Condition, ...] = ()
    """Conditions to evaluate for each row."""
    answers: tuple[AskedAnswers, ...] = ()
    """Answers to test."""
    inputs: tuple[AskedInputs, ...] = ()
    """Cells whose inputs to digest."""
    outcome: TableSnapshot | ApiError | None = None
    rows_read: int = 0
    """Rows read so far by the current read."""
    read: int = 1
    rows: int = 0
    """Rows of the table, once its header has arrived."""
    moved: str = ""
    """How the latest move was detected."""
    _moves: int = 0
    _shortest: int = 0
    """Rows of the last page that was too short to continue from."""
    _layout: Layout | None = None
    _asked_header: bool = False
    _offset: int = 0
    """Offset of the next page to request."""
    _end: int = 0
    """No page begins here or later."""
    _limit: int = 0
    """Rows of the next page."""
    _row_bytes: float = 0.0
    """The size of a row, if known."""
    _is_probing: bool = False
    """True while the first page is requested alone, to learn how large the others may be."""
    _outstanding: int = 0
    _pages: dict[int, Page] = field(default_factory=dict)
    _last_row: dict[int, int] = field(default_factory=dict)
    """Index of a page's last row, which the next one begins with → its offset."""
    _rest: deque[PageRequest] = field(default_factory=deque)
    """Requests for the rest of pages that were short."""
    _single: deque[str] | None = None
    """Rows still to request one by one; None if pages are requested."""

    @property
    def is_done(self) -> bool:
        """True once there is an outcome."""
        return self.outcome is not None

    def result(self) -> TableSnapshot | ApiError:
        """Return the outcome of a reading that is done."""
        assert self.outcome is not None
        return self.outcome

    def next_request(self, *, large: bool = True) -> Request | None:
        """Return the next GET that can be sent now; None until another answer arrives or a large request is allowed."""
        if self.outcome is not None:
            return None
        if not self._asked_header:
            self._asked_header = True
            return Request(self.table_id, self.read)
        if self._layout is None:
            return None
        if self._single is not None:
            return self._next_row(self._single, self._layout)
        page = self._rest[0] if self._rest else PageRequest(self._offset, self._limit, self._layout)
        left = self.rows - page.offset
        is_large = min(page.limit, left) * self._row_bytes > LARGE_BYTES
        if page.offset >= self._end or self._is_probing or (is_large and not large):
            return None
        if self._rest:
            self._rest.popleft()
        else:
            self._is_probing = not self._pages and min(self.page_rows, left) * self._row_bytes > PAGE_BYTES
            self._offset += self._limit - self._overlap
        self._last_row[page.offset + page.limit - 1] = page.offset
        self._outstanding += 1
        return Request(self.table_id, self.read, page, is_large)

    def _next_row(self, left: deque[str], plan: Layout) -> Request | None:
        if not left:
            return None
        self._outstanding += 1
        return Request(self.table_id, self.read, RowRequest(left.popleft(), plan))

    def take(self, request: Request | None, answer: Header | Page | ApiError) -> None:
        """Take the answer to a request (None for an error before any); sets `outcome` if it was the last one needed."""
        if self.outcome is not None or (request is not None and request.read != self.read):
            return
        if isinstance(answer, ApiError):
            if request is not None and isinstance(request.page, RowRequest):
                self._read_pages_instead()
                return
            is_page = request is not None and request.page is not None
            if is_page and isinstance(answer, Refused) and answer.status in _OBJECTS_TO_SIZE:
                answer.hint = _LOWER
            self._finish(answer)
        elif isinstance(answer, Header):
            if self._layout is None:
                self._start(answer)
            else:
                self._close_rows(self._layout, answer)
        elif request is not None and isinstance(request.page, PageRequest):
            self._take_page(request.page, answer)
        elif request is not None:
            self._take_row(answer)

    def _start(self, header: Header) -> None:
        self._layout = layout(header, self.wanted, self.conditions, self.answers, self.inputs)
        rows = self.rows = header.counters.rows
        columns = len(self._layout.keys)
        self._row_bytes = max(columns, 1) * CELL_BYTES
        self._limit = self._fitting()
        self._offset, self._end = 0, max(rows - self._overlap, min(rows, 1))
        pages = -(-self._end // max(self.page_rows - self._overlap, 1))
        status = TableStatus(header.counters.run_status, header.counters.in_progress, header.counters.completed)
        if not rows or header_is_enough(self.allowed, status, rows, columns):
            self._finish(replace(self._snapshot(self._layout, [header.counters]), unread_rows=rows))
        elif self.allowed.rows is not None and rows_one_by_one(self.allowed, rows, pages):
            self._single = deque(sorted(self.allowed.rows))

    def _fitting(self) -> int:
        """Return how many rows make a page of `PAGE_BYTES`; at least two, if pages overlap."""
        return max(min(self.page_rows, int(PAGE_BYTES / self._row_bytes)), 1 + self._overlap)

    @property
    def _overlap(self) -> int:
        return 1 if self.page_rows > 1 else 0

    def _take_row(self, page: Page) -> None:
        self._outstanding -= 1
        self._pages[int.from_bytes(page.row_ids.data)] = page  # by id, in whatever order they come
        self.rows_read += 1
        if not self._single and not self._outstanding:
            self._asked_header = False  # once more, after the rows

    def _close_rows(self, plan: Layout, header: Header) -> None:
        before = plan.header
        if header.counters.rows != before.counters.rows or header.columns != before.columns:
            self._again("its rows or columns changed")
            return
        both = [before.counters, header.counters]
        if all(counters.is_finished for counters in both) and both[0] != both[1]:
            self._again("its cells changed")
            return
        snapshot = self._snapshot(plan, both)
        self._finish(replace(snapshot, unread_rows=before.counters.rows - len(snapshot.row_ids)))

    def _read_pages_instead(self) -> None:
        self.read += 1
        self.rows_read = self._outstanding = 0
        self._single, self._pages = None, {}

    def _take_page(self, asked: PageRequest, page: Page) -> None:
        self._outstanding -= 1
        self._is_probing = False
        self._pages[asked.offset] = page
        self.rows_read += len(page.row_ids) - (self._overlap if asked.offset else 0)
        if len(page.row_ids) > asked.limit:
            self._finish(self._bad(f"a page of {asked.limit} rows was requested and {len(page.row_ids)} came"))
            return
        asked = self._cut(asked, page)
        moved = self._sign_of_move(asked, page)
        if moved:
            self._again(moved)
            return
        self._row_bytes = max(page.size / max(len(page.row_ids), 1), 1.0)
        self._limit = self._fitting()
        if not self._outstanding and not self._rest and self._offset >= self._end:
            self._put_together(asked.layout)

    def _cut(self, asked: PageRequest, page: Page) -> PageRequest:
        """Return the request that `page` answers: for fewer rows if the server returned fewer; then request the rest.

        The rest must begin with the last row of `page` and have at least one more: so a table that shrank does not
        pass for a server with small pages, and a server that repeats itself does not keep us forever.
        """
        came, rows = len(page.row_ids), asked.layout.header.counters.rows
        if not self._overlap < came < min(asked.limit, rows - asked.offset):
            return asked
        rest = PageRequest(asked.offset + came - self._overlap, asked.limit - came + self._overlap, asked.layout)
        self._last_row[asked.offset + asked.limit - 1] = rest.offset
        self._last_row[rest.offset] = asked.offset
        self._rest.append(rest)
        return replace(asked, limit=came)

    def _sign_of_move(self, asked: PageRequest, page: Page) -> str:
        rows = asked.layout.header.counters.rows
        if page.counters.rows != rows:
            return f"its number of rows went from {rows} to {page.counters.rows}"
        if not page.same_columns:
            return "its columns changed"
        expected = min(asked.limit, rows - asked.offset)
        first = self._pages.get(0)
        if asked.offset and first is not None and page.row_ids and page.row_ids[0] == first.row_ids[0]:
            return f"{_REPEATS} from row {asked.offset} on, as if the server ignored `offset`"
        if len(page.row_ids) > expected:
            return f"{len(page.row_ids)} rows came from row {asked.offset} on, where only {expected} are left"
        if len(page.row_ids) != expected:
            self._shortest = len(page.row_ids)
            return f"a page held {len(page.row_ids)} of the {expected} rows that were requested"
        before = self._pages.get(self._last_row.get(asked.offset, -1))
        after = self._pages.get(asked.offset + asked.limit - 1)
        if self._overlap and before is not None and before.row_ids[-1] != page.row_ids[0]:
            return "its rows shifted between two pages"
        if self._overlap and after is not None and after.row_ids[0] != page.row_ids[-1]:
            return "its rows shifted between two pages"
        return ""

    def _put_together(self, plan: Layout) -> None:
        pages = [self._pages[offset] for offset in sorted(self._pages)]
        snapshot = self._snapshot(plan, [plan.header.counters, *(page.counters for page in pages)])
        if isinstance(snapshot.row_ids, PackedIds) and snapshot.row_ids.has_repeats:
            self._again("a row came twice")
        else:
            self._finish(snapshot)

    def _finish(self, outcome: TableSnapshot | ApiError) -> None:
        self.outcome = outcome
        self._rest.clear()
        self._pages, self._last_row, self._layout = {}, {}, None  # the snapshot needs none of these; thousands are kept

    def _again(self, moved: str) -> None:
        self.moved = moved
        self._moves += 1
        if self._moves == READS:
            bad = self._bad(f"the table kept changing while it was read, {READS} times: at last {moved}")
            if moved.startswith(_REPEATS):
                bad.hint = (
                    "If its rows are not being sorted, something between here and the API answers with an old page."
                )
            elif moved.startswith("a page held"):
                bad.hint += f" {_PAGE_OF_ONE if self._shortest == 1 else _LOWER}"
            self._finish(bad)
            return
        self.read += 1
        self.rows_read = self._outstanding = 0
        self._layout, self._asked_header, self._is_probing = None, False, False
        self._single, self._pages, self._last_row = None, {}, {}
        self._rest.clear()

    def _bad(self, what: str) -> BadResponse:
        return BadResponse(
            f"GET {data_path(self.table_id)}: {what}",
            hint="Plan again once its rows are no longer being added, removed or sorted.",
        )

    def _snapshot(self, plan: Layout, shown: list[Counters]) -> TableSnapshot:
        header = plan.header
        pages = [self._pages[offset] for offset in sorted(self._pages)]
        overlap = 0 if self._single is not None else self._overlap
        cut = [0 if number == 0 else overlap for number in range(len(pages))]
        parts = list(zip(pages, cut, strict=True))
        running = not all(counters.is_finished for counters in shown)
        outputs = [column.id for column in header.columns if not column.is_input]
        return TableSnapshot(
            id=header.table_id,
            name=header.name,
            kind=header.kind,
            run_status=_least_quiet(shown),
            header_in_progress=max(counters.in_progress for counters in shown),
            columns=header.columns,
            row_ids=PackedIds.joined(page.row_ids[skip:] for page, skip in parts),
            missing_inputs=b"".join(page.missing_inputs[skip:] for page, skip in parts),
            states={
                column: settle(b"".join(page.codes[index][skip:] for page, skip in parts), running=running)
                for index, column in enumerate(outputs)
            },
            digests={
                outputs[index]: PackedDigests.joined(page.digests[location][skip:] for page, skip in parts)
                for location, index in enumerate(plan.digested)
            },
            answers={
                outputs[index]: PackedAnswers.joined(page.answers[location][skip:] for page, skip in parts)
                for location, index in enumerate(plan.digested)
            },
            matches={
                key: b"".join(page.matches[location][skip:] for page, skip in parts)
                for location, key in enumerate(plan.match_keys)
            },
            inputs={
                column: digests
                for location, each in enumerate(plan.inputs)
                for digests in [b"".join(page.inputs[location][WIDTH * skip :] for page, skip in parts)]
                for column in each.columns
            },
        )


def _least_quiet(shown: list[Counters]) -> str:
    return next((counters.run_status for counters in shown if counters.run_status != IDLE), IDLE)
