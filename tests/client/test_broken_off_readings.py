"""A reading that ends early, by Ctrl-C or by its caller's fault: it leaves nothing in the way of the next one."""

import _thread
import json
import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from reconciler.client import Reader
from reconciler.errors import ApiError, BadResponse
from reconciler.model.observed import TableStatus
from reconciler.model.reading import ReadProgress
from tests.client.live_tables import LiveTable, column, options, uid
from tests.client.wire_server import Exchange, WireServer

TABLES = [uid(number) for number in range(1, 5)]


def honest(exchange: Exchange) -> None:
    live = LiveTable([column(2, "a")], id=exchange.request.path.rpartition("/")[2])
    exchange.answer(200, json.dumps(live.header()).encode())


def assert_reads(reader: Reader) -> None:
    assert [each.id for each in reader.read_headers(TABLES).values() if not isinstance(each, ApiError)] == TABLES


def test_ctrl_c_while_an_answer_is_awaited() -> None:
    """The next reading does not wait for the connection, the worker and the slot that this one had."""

    def behave(exchange: Exchange) -> None:
        if exchange.number:
            honest(exchange)
        else:
            _thread.interrupt_main()
            exchange.hang()

    with (
        WireServer(behave) as server,
        Reader(options(server.url, concurrency=1, timeout_seconds=20)) as reader,
    ):
        with pytest.raises(KeyboardInterrupt):
            reader.read_statuses(TABLES)
        began = time.monotonic()
        assert_reads(reader)
        assert time.monotonic() - began < 10


class _Interrupt:
    """Raises KeyboardInterrupt before a line of the package's, in the thread that traces."""

    def __init__(self, line: int) -> None:
        self.lines = 0
        self._line = line

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        # Python looks at no signal between the lock of `run` and its body, as this would.
        if f"client{os.sep}http" not in code.co_filename or code.co_name == "run":
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self._line:
                raise KeyboardInterrupt
        return self


def test_ctrl_c_at_any_moment() -> None:
    """Before any line of what the caller's thread does: no slot and no connection is lost to the next reading."""
    step = 1 if os.environ.get("EXAMPLES") == "all" else 31
    line, was_interrupted = 1, True
    with WireServer(honest) as server:
        while was_interrupted:
            interrupt = _Interrupt(line)
            with Reader(options(server.url, concurrency=1)) as reader:
                assert_reads(reader)
                sys.settrace(interrupt)
                try:
                    reader.read_statuses(TABLES[:2])
                    was_interrupted = False
                except KeyboardInterrupt:
                    pass
                finally:
                    sys.settrace(None)
                assert_reads(reader)
            line += step
    assert line > 100


def test_a_callback_cannot_read_itself() -> None:
    """It would wait for ever for the reading that calls it."""

    def nest(_progress: ReadProgress) -> None:
        reader.read_statuses(TABLES)

    with WireServer(honest) as server, Reader(options(server.url, concurrency=1), on_progress=nest) as reader:
        with pytest.raises(RuntimeError, match="calls back"):
            reader.read_tables({TABLES[0]: frozenset()})
        assert_reads(reader)


def test_a_closed_reader_says_so() -> None:
    """Not by waiting for workers that have gone."""
    with WireServer(honest) as server:
        with Reader(options(server.url, concurrency=1)) as reader:
            assert_reads(reader)
        with pytest.raises(BadResponse, match="stopped"):
            reader.read_statuses(TABLES)


def test_nothing_is_left_of_many_readings() -> None:
    """No thread and no file, of readings that were broken off neither."""

    def behave(exchange: Exchange) -> None:
        if exchange.number % 5 == 4:
            exchange.reset()
        else:
            honest(exchange)

    def interrupt(_progress: ReadProgress) -> None:
        raise KeyboardInterrupt

    def left() -> tuple[int, int]:
        readers = [thread for thread in threading.enumerate() if thread.name == "reconciler-read"]
        for thread in readers:  # it may be about to end
            thread.join(5)
        return sum(thread.is_alive() for thread in readers), len(list(Path("/dev/fd").iterdir()))

    with WireServer(behave) as server:
        before = left()
        for _ in range(3):
            with Reader(options(server.url, concurrency=4), on_progress=interrupt, sleep=lambda _: None) as reader:
                for _ in range(10):
                    assert all(isinstance(each, TableStatus) for each in reader.read_statuses(TABLES).values())
                    with pytest.raises(KeyboardInterrupt):
                        reader.read_tables(dict.fromkeys(TABLES, frozenset()))
            server.wait_until_closed(server.connections)
        assert left() == before
