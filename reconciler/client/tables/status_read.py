"""One read of a table's status: the smallest reading, used while waiting for runs to finish."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.client.http.urls import table_path
from reconciler.client.tables.pages import Counters, read_counters
from reconciler.errors import ApiError
from reconciler.model.observed import TableStatus


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """One GET of a table's header."""

    table_id: str

    @property
    def path(self) -> str:
        """Return the path below the base URL."""
        return table_path(self.table_id)

    @property
    def query(self) -> Mapping[str, int]:
        """Return no parameters."""
        return {}

    @property
    def is_large(self) -> bool:
        """Return False: a header is small."""
        return False

    def decode(self, body: memoryview) -> Counters:
        """Reduce the header to its counters. Raises BadResponse."""
        return read_counters(body, self.table_id)


@dataclass(slots=True)
class StatusRead:
    """The reading of one table's status."""

    table_id: str
    outcome: TableStatus | ApiError | None = None
    _asked: bool = False

    @property
    def is_done(self) -> bool:
        """True once there is an outcome."""
        return self.outcome is not None

    def result(self) -> TableStatus | ApiError:
        """Return the outcome of a reading that is done."""
        assert self.outcome is not None
        return self.outcome

    def next_request(self, *, large: bool = True) -> StatusRequest | None:
        """Return the one GET, once."""
        if self._asked:
            return None
        self._asked = True
        return StatusRequest(self.table_id)

    def take(self, _request: StatusRequest | None, answer: Counters | ApiError) -> None:
        """Take the answer, which is the outcome."""
        if isinstance(answer, ApiError):
            self.outcome = answer
        else:
            self.outcome = TableStatus(answer.run_status, answer.in_progress, answer.completed)
