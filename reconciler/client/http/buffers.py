"""Where the bytes of answers are while they are read: a few large buffers, used again and again.

Sixteen workers that each allocate pages of 14 MB leave 300 MB behind: the C library keeps a heap for each thread and
gives little of it back. So a body that grows large moves into one of four shared buffers, and waits for one if need be;
meanwhile the rest of it waits in the kernel.
"""

from queue import LifoQueue
from types import TracebackType
from typing import Self

LARGE = 256 * 1024
"""Bytes; a body beyond this needs a shared buffer."""
LARGE_AT_ONCE = 4
LARGEST_KEPT = 32 * 1024 * 1024
"""Bytes; a buffer larger than this is not used again."""


class Buffers:
    """The shared buffers; for all workers of a reader."""

    def __init__(self) -> None:
        self._free: LifoQueue[bytearray] = LifoQueue()
        for _ in range(LARGE_AT_ONCE):
            self._free.put(bytearray())

    def take(self) -> bytearray:
        """Return a buffer; waits while all are in use."""
        return self._free.get()

    def give_back(self, buffer: bytearray) -> None:
        """Return it for others; one that grew out of proportion is replaced by a new one."""
        self._free.put(buffer if len(buffer) <= LARGEST_KEPT else bytearray())


class Body:
    """One body as it comes in; a context manager, after which its bytes are gone."""

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

    def add(self, chunk: bytes) -> None:
        """Append what came."""
        end = self.size + len(chunk)
        if not self._is_shared and end <= LARGE:
            self._buffer += chunk
        else:
            if not self._is_shared:
                self._move()
            if end > len(self._buffer):
                self._grow(end)
            self._buffer[self.size : end] = chunk
        self.size = end

    def view(self) -> memoryview:
        """Return the bytes, without a copy; not to be kept."""
        return memoryview(self._buffer)[: self.size]

    def _move(self) -> None:
        start = self._buffer
        self._buffer, self._is_shared = self._buffers.take(), True
        if len(self._buffer) < self.size:
            self._grow(self.size)
        self._buffer[: self.size] = memoryview(start)[: self.size]

    def _grow(self, size: int) -> None:
        room = size + size // 4 - len(self._buffer)
        try:
            self._buffer.extend(bytes(room))
        except BufferError:  # somebody still looks at it: leave it to them
            self._buffer = bytearray(self._buffer) + bytes(room)
