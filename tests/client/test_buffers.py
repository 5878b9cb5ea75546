"""Bodies that share buffers: every byte in its place, and no more buffers than there are."""

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.client import Reader
from reconciler.client.http import buffers as bodies
from reconciler.client.http.buffers import LARGE, LARGE_AT_ONCE, Body, Buffers
from tests.client.live_tables import Api, LiveTable, column, options, read_table
from tests.client.wire_server import WireServer


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(1, LARGE), max_size=6), min_size=1, max_size=4))
def test_a_body_is_the_sum_of_its_chunks(sizes: list[list[int]]) -> None:
    """Small or large, in a fresh buffer or one that held another body before."""
    buffers = Buffers()
    for number, lengths in enumerate(sizes):
        chunks = [bytes([number * 16 + position]) * length for position, length in enumerate(lengths)]
        with Body(buffers) as body:
            for chunk in chunks:
                body.add(chunk)
            assert body.view() == b"".join(chunks)


def test_a_large_body_waits_for_a_buffer() -> None:
    """All are in use; the next one goes on as soon as one is given back."""
    buffers = Buffers()
    held = [Body(buffers) for _ in range(LARGE_AT_ONCE)]
    for body in held:
        body.add(bytes(LARGE + 1))
    through = threading.Event()

    def another() -> None:
        with Body(buffers) as body:
            body.add(bytes(LARGE + 1))
            through.set()

    thread = threading.Thread(target=another)
    thread.start()
    assert not through.wait(0.05)
    held[0].__exit__(None, None, None)
    assert through.wait(5)
    thread.join()


def test_a_buffer_that_is_still_looked_at_is_left_alone() -> None:
    """Growing it in place would be an error, and must not lose the page."""
    buffers = Buffers()
    with Body(buffers) as first:
        first.add(bytes(LARGE + 1))
        kept = first.view()
    for _ in range(LARGE_AT_ONCE):
        with Body(buffers) as body:
            body.add(b"x" * (LARGE + 1))
            body.add(b"y" * LARGE)
            assert body.view() == b"x" * (LARGE + 1) + b"y" * LARGE
    assert len(kept) == LARGE + 1


def test_a_buffer_out_of_proportion_is_not_kept() -> None:
    """One huge page must not hold its memory for ever."""
    buffers = Buffers()
    with Body(buffers) as body:
        body.add(bytes(bodies.LARGEST_KEPT + 1))
    assert len(buffers.take()) == 0


def test_many_large_pages_are_read_by_few_buffers() -> None:
    """Eight workers, four buffers, and every row arrives."""
    from_row = {"status": "done", "value": {"answer": "x" * 200_000}}
    table = LiveTable([column(2, "a")]).add_rows([{"a": from_row}] * 60)
    opened = WireServer(Api(table))
    with opened as server, Reader(options(server.url, page_rows=8, concurrency=8)) as reader:
        assert len(read_table(reader).row_ids) == 60
