"""A plan file of any size: its head is read whole, and each of its calls from where it stands once it is asked for.

`reconciler plan --out` writes every call from a line of its own to another, and by those lines they are found. A file
that was spelled differently (by `jq`, say), and what comes from a pipe, is read whole, up to `LARGEST_FILE`.
"""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from reconciler.documents import saved_plan_checks
from reconciler.errors import StalePlan
from reconciler.manifests.open_file import open_named
from reconciler.operations.named_file import named_file
from reconciler.operations.read_plan import LARGEST_FILE, checked, plan_content
from reconciler.text.codes import Code

_LONGEST_LINE = 1024**2
_CALLS, _LAST = b'  "calls": [\n', (b"  ],\n", b"  ]\n")
_BEGINS, _ENDS = b"    {\n", (b"    },\n", b"    }\n")
_READABLE = "Name a file that `reconciler plan --out FILE` wrote."


@contextmanager
def plan_document(path: Path) -> Iterator[Any]:
    """Yield the JSON of a plan file, checked like `read_plan_document`; its calls can be read within the `with` block.

    Raises StalePlan, also where the file is written to meanwhile; SettingsError if it cannot be read.
    """
    with ExitStack() as opened:
        with named_file(path, _READABLE):
            file = opened.enter_context(open_named(path))
            begins = file.tell() if file.seekable() else None
            content = None if begins is None else _in_pieces(path, file)
            if content is None:
                if begins is not None:
                    file.seek(begins)
                content = plan_content(file.read(LARGEST_FILE + 1))
        yield content


def _in_pieces(path: Path, file: BinaryIO) -> Any:
    """Return the content of a file with its calls still unread; None unless it is written as `plan --out` writes it."""
    places: list[tuple[int, int]] = []
    head = _head(file, places)
    if head is None:
        return None
    # Whatever else the file says, it is this list that has to be its calls.
    mark = secrets.token_hex(8)
    content = saved_plan_checks.parse(mark.join(head))
    if not isinstance(content, dict) or content.get("calls") != mark:
        return None
    return checked({**content, "calls": WrittenCalls(path, file, places)})


def _head(file: BinaryIO, places: list[tuple[int, int]]) -> tuple[str, str] | None:
    """Return the text before and after the list of calls, and add from where to where each of them is to `places`."""
    lines = iter(partial(file.readline, _LONGEST_LINE), b"")
    before = bytearray()
    for line in lines:
        if line == _CALLS:
            break
        before += line
        if len(before) > LARGEST_FILE:
            return None
    last = _past_calls(lines, file.tell(), places)
    after = file.read(LARGEST_FILE + 1)
    if last not in _LAST or len(after) > LARGEST_FILE:
        return None
    return f'{_text(before)}  "calls": "', f'"{"," if last == _LAST[0] else ""}{_text(after)}'


def _past_calls(lines: Iterator[bytes], at: int, places: list[tuple[int, int]]) -> bytes:
    """Add each call's place to `places`; return the line after the last of them, or the first that is unexpected."""
    begin, is_inside, is_more = at, False, True
    for line in lines:
        if is_inside:
            if line in _ENDS:
                places.append((begin, at + len(_ENDS[-1]) - 1))
                is_inside, is_more = False, line == _ENDS[0]
        elif is_more and line == _BEGINS:
            begin, is_inside = at, True
        else:
            return b"" if is_more else line
        at += len(line)
        if at - begin > LARGEST_FILE:
            break
    return b""


def _text(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "replace")


class WrittenCalls(Sequence[Any]):
    """The calls of a plan file, each read when it is asked for. Raises StalePlan if it is not what it was before."""

    def __init__(self, path: Path, file: BinaryIO, places: list[tuple[int, int]]) -> None:
        self._path = path
        self._file = file
        self._places = places
        self._seen: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        begin, end = self._places[index]
        with named_file(self._path, _READABLE):
            self._file.seek(begin)
            data = self._file.read(end - begin)
        now = hashlib.sha256(data).digest()
        if self._seen.setdefault(begin, now) != now:
            raise StalePlan(
                "the plan file was written to while it was read; nothing was submitted",
                hint=saved_plan_checks.AGAIN,
                code=Code.PLAN_FILE_NOT_UNDERSTOOD,
            )
        return saved_plan_checks.parse(_text(data))
