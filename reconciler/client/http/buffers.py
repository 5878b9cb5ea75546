"""A few large, reused buffers for the bytes of answers while they are read.

Sixteen workers that each allocate pages of 14 MB leave 300 MB behind: the C library keeps one heap per thread and
returns little of it. So a body that grows large moves into one of four shared buffers, and waits for one if necessary,
while the rest of it waits in the kernel.
"""

from queue import LifoQueue
from types import TracebackType
from typing import Self

LARGE = 256 * 1024
"""Bytes; a body beyond this needs a shared buffer."""
LARGE_AT_ONCE = 4
LARGEST_KEPT = 32 * 1024 * 1024
"""Bytes; a larger buffer is not reused."""


class Buffers:
    """The buffers that all workers of a reader share."""

    def __init__(self) -> None:
        self._free: LifoQueue[bytearray] = LifoQueue()
        for _ in range(LARGE_AT_ONCE):
            self._free.put(bytearray())

    def take(self) -> bytearray:
        """Return a buffer; wait while all are in use."""
        return self._free.get()

    def give_back(self, buffer: bytearray) -> None:
        """Return a buffer for reuse; one that grew too large is replaced by a new one."""
        self._free.put(buffer if len(buffer) <= LARGEST_KEPT else bytearray())


class Body:
    """One body as it arrives; a context manager, after which its bytes are gone."""

    def __init__(self, buffers: Buffers) -> None:
        self._buffers = buffers
        self._buffer = bytearray()
        self._is_shared = False
        self.size = 0
        """Bytes so far; the buffer may be longer."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_shared:
            self._buffers.give_back(self._buffer)
        self._buffer, self._is_shared, self.size = bytearray(), False, 0

    def room(self, size: int) -> memoryview:
        """Return `size` bytes of room after what is there. Release it, and add to `size` what was filled."""
        end = self.size + size
        if not self._is_shared and end > LARGE:
            self._move()
        if end > len(self._buffer):
            self._grow(end)
        return memoryview(self._buffer)[self.size : end]

    def add(self, chunk: bytes) -> None:
        """Append a chunk."""
        with self.room(len(chunk)) as room:
            room[:] = chunk
        self.size += len(chunk)

    def view(self) -> memoryview:
        """Return the bytes without a copy; do not keep them."""
        return memoryview(self._buffer)[: self.size]

    def _move(self) -> None:
        start = self._buffer
        self._buffer, self._is_shared = self._buffers.take(), True
        if len(self._buffer) < self.size:
            self._grow(self.size)
        self._buffer[: self.size] = memoryview(start)[: self.size]

    def _grow(self, size: int) -> None:
        room = size - len(self._buffer)
        if self._is_shared:
            room += size // 4
        try:
            self._buffer.extend(bytes(room))
        except BufferError:  # a view of it is still in use
            self._buffer = bytearray(self._buffer) + bytes(room)
