"""The API as a worker reaches it: for each workspace a shared rate, a reader for each thread, and a sender."""

import threading
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from reconciler.client import Reader, SpendClient
from reconciler.errors import ApiError
from reconciler.fleet.pace import SharedPace
from reconciler.fleet.watch import Watch
from reconciler.fleet.written import Terms
from reconciler.operations.apply_events import Interrupt
from reconciler.operations.connection import Connections, api_options
from reconciler.settings.settings import Settings
from reconciler.text.codes import Code


class WorkspaceApi:
    """Hands out what sends requests. Safe to share between threads; close it when none of them is at work."""

    def __init__(self, connections: Connections, watch: Watch, interrupt: Interrupt) -> None:
        self._connections = connections
        self._watch = watch
        self._interrupt = interrupt
        self._lock = threading.Lock()
        self._own = threading.local()
        self._opened = ExitStack()
        self._paces: dict[tuple[str, float | None], SharedPace] = {}
        self._clients: dict[tuple[str, float], SpendClient] = {}

    def pace(self, terms: Terms, workspace: str) -> SharedPace:
        """Return the rate that all workers of a workspace share."""
        key = (workspace, terms.requests_per_second)
        with self._lock:
            if key not in self._paces:
                told = partial(self._watch.metrics.waited_for_rate, workspace)
                self._paces[key] = SharedPace(self._connections.ledger().rates, *key, self._interrupt, told)
            return self._paces[key]

    def reader(self, terms: Terms, workspace: str) -> Reader:
        """Return a reader of this thread's own: one serves one thread."""
        key = (workspace, terms.page_rows, terms.requests_per_second)
        readers = self._own.__dict__.setdefault("readers", {})
        if key not in readers:
            options = replace(
                api_options(self._connections.settings, self._connections.environment),
                page_rows=terms.page_rows,
                on_answer=self._watch.on_answer(workspace),
            )
            reader = Reader(options, admit=self.pace(terms, workspace).admit_read)
            with self._lock:
                self._opened.callback(reader.close)
            readers[key] = reader
        found: Reader = readers[key]
        return found

    def lacks(self, terms: Terms, workspace: str, table_ids: Collection[str]) -> bool:
        """Say whether the API does not know one of these tables: that does not pass, as its failures may."""
        try:
            found = self.reader(terms, workspace).read_statuses(set(table_ids))
        except ApiError:
            return False
        return any(isinstance(each, ApiError) and each.code is Code.NOT_FOUND for each in found.values())

    def sender(self, settings: Settings, workspace: str) -> SpendClient:
        """Return what sends run calls."""
        key = workspace, settings.project.api.spend.call_seconds
        with self._lock:
            if key not in self._clients:
                options = api_options(settings, self._connections.environment)
                self._clients[key] = SpendClient(replace(options, on_answer=self._watch.on_answer(workspace)))
            return self._clients[key]

    def forget_readers(self) -> None:
        """Make new readers for this thread: one that was refused once gives no other answer, whatever is mended."""
        readers = self._own.__dict__.pop("readers", {})
        for reader in readers.values():
            reader.close()

    def abandon(self) -> None:
        """Do not wait for the calls in flight."""
        for client in tuple(self._clients.values()):
            client.abandon()

    def close(self) -> None:
        """Close the readers' connections."""
        self._opened.close()
