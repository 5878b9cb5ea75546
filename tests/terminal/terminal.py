"""A terminal of a given width: a real pseudo-terminal, and an emulator that shows what a person sees on it."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from threading import Thread

import pyte

LINES = 500
"""More than any output has: nothing scrolls away."""


@dataclass
class Terminal:
    """The bytes written to a terminal, and their effect."""

    columns: int
    written: bytearray = field(default_factory=bytearray)

    @property
    def raw(self) -> str:
        """Every byte, escapes included."""
        return self.written.decode()

    @property
    def shown(self) -> str:
        """Return the screen at the end, without colour."""
        screen = pyte.Screen(self.columns, LINES)
        pyte.ByteStream(screen).feed(bytes(self.written))
        return "\n".join(line.rstrip() for line in screen.display).rstrip("\n") + "\n"

    @property
    def coloured(self) -> str:
        """Return the text as written, each colour as `{parameters:text}`."""
        return re.sub("\x1b\\[([0-9;]+)m(.*?)\x1b\\[0m", r"{\1:\2}", self.raw.replace("\r\n", "\n"))


@contextmanager
def terminal(columns: int, typed: str = "") -> Iterator[Terminal]:
    """Let stdin, stdout and stderr be a terminal for the length of a `with` block, at which `typed` was typed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    shown = Terminal(columns)

    def look() -> None:
        with suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 65536):
                shown.written.extend(piece)

    looking = Thread(target=look)
    looking.start()
    os.write(ours, typed.encode())
    before = sys.stdin
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        sys.stdin = os.fdopen(os.dup(theirs), encoding="utf-8")
        try:
            with redirect_stdout(stream), redirect_stderr(stream):
                yield shown
        finally:
            sys.stdin.close()
            sys.stdin = before
    looking.join()
    os.close(ours)
