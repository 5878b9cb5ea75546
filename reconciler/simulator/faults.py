"""Faults: what goes wrong, when and how often. A fault selects requests; a book decides which faults one meets."""

import math
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from reconciler.simulator.world.chance import share

Kind = Literal[
    "close_before", "close_after", "reset", "hang", "half", "garbage", "garbled", "status",
    "latency", "trickle", "rate_limit", "credits", "stall", "reorder", "rows_added", "rows_removed",
]  # fmt: skip
ENDS = frozenset({"close_before", "close_after", "reset", "hang", "half", "garbage", "garbled", "status"})
"""Kinds that decide how the answer ends; a request meets at most one of them, the first in the book."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_STARTS_CELLS = (["run"], ["rows"])
"""The last part of the paths of requests that start cells."""
Seconds = Annotated[float, Meta(ge=0)]


class Fault(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One fault. Its seconds are real, because clients wait in real time; those of a stall are simulated."""

    kind: Kind
    """close_before: the connection closes before the request is read, nothing is done.
    close_after: the work is done, then the connection closes without an answer.
    reset: the connection is reset (RST), before or after the work.
    hang: nothing is sent for `seconds`, before or after the work; then the answer comes as usual.
    half: the headers and half of the body are sent, then the connection closes; the work is done.
    garbage: bytes that are not HTTP are sent; the work is done.
    garbled: a 200 with JSON's content type and a body that is not JSON is sent; the work is done.
    status: another status is sent, before or after the work.
    latency: the answer comes later, by a distribution.
    trickle: the answer is sent at `bytes_per_second`.
    rate_limit: more than `rate` requests in `per_seconds` get 429 with `Retry-After`.
    credits: the balance is set to `balance`, once, when a request matches.
    stall: the cells that a run or new rows start hang, paid for and `pending`, built-in ones among them.
    reorder: the rows of a data page come in another order.
    rows_added, rows_removed: after a data page was answered, `rows` rows are added or removed."""
    method: str = "*"
    path: str = "*"
    """A pattern for the path without its query, e.g. `/v1/tables/*/run`: `*` matches within one part, a final `**`
    matches any rest."""
    times: Annotated[int, Meta(ge=1)] | None = None
    """How many matching requests it applies to; None for all."""
    skip: Annotated[int, Meta(ge=0)] = 0
    """How many matching requests pass before it starts."""
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """The probability that it applies to a matching request; drawn from the seed."""
    when: Literal["before", "after"] = "before"
    """For reset, hang and status: before or after the work is done."""
    seconds: Seconds = 0.0
    """For hang; for latency the fixed time, the mean or the median; for stall how long, 0 for the pace's time."""
    distribution: Literal["fixed", "uniform", "exponential", "lognormal"] = "fixed"
    """For latency: `fixed` at seconds; `uniform` from 0 to twice of it; `exponential` with that mean;
    `lognormal` with that median and `sigma`."""
    sigma: Seconds = 0.5
    status: Annotated[int, Meta(ge=200, le=599)] = 500
    headers: dict[str, str] = {}
    body: Any | UnsetType = UNSET
    """Any JSON value; a string is sent unchanged. By default, a `detail` in the API's form."""
    bytes_per_second: Annotated[int, Meta(ge=1)] = 1000
    rate: Annotated[int, Meta(ge=1)] = 10
    per_seconds: Annotated[float, Meta(gt=0)] = 1.0
    balance: Annotated[int, Meta(ge=0)] = 0
    rows: Annotated[int, Meta(ge=1)] = 1
    column: str = "*"
    """For stall: a pattern for the keys of the columns whose cells hang."""
    where: Literal["first", "last"] = "last"
    """For rows_added and rows_removed: the end of the table."""

    def __post_init__(self) -> None:
        """Refuse headers that are not valid in HTTP."""
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"`{name}: {value}` is not a header")


_PREPARED = msgspec.json.Decoder(Fault)  # as in shapes.py


@dataclass(frozen=True, slots=True)
class Met:
    """The faults that one request meets."""

    ending: Fault | None = None
    latency: float = 0.0
    trickle: int | None = None
    refused_for: float | None = None
    """Seconds to wait, if the rate is exceeded."""
    balance: int | None = None
    shuffle: int | None = None
    """A number to shuffle a page by."""
    stall: Fault | None = None
    """The fault that makes cells started by the request hang."""
    moves: tuple[Fault, ...] = ()
    """Rows to add or remove after the answer."""


NOTHING = Met()


@dataclass(slots=True)
class _Entry:
    id: int
    fault: Fault
    matched: int = 0
    met: int = 0
    window: list[float] = field(default_factory=list)


class FaultBook:
    """All faults that are set, with their counters."""

    def __init__(self, seed: int, faults: Iterable[Fault] = ()) -> None:
        self._seed = seed
        self._entries: list[_Entry] = []
        self._made = 0
        self._lock = threading.Lock()
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> int:
        """Set a fault; return its number."""
        with self._lock:
            self._made += 1
            self._entries.append(_Entry(self._made, fault))
            return self._made

    def remove(self, number: int) -> bool:
        """Remove one fault; return whether it was set."""
        with self._lock:
            before = len(self._entries)
            self._entries = [entry for entry in self._entries if entry.id != number]
            return len(self._entries) < before

    def clear(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._entries.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return every fault that was set, with the number of requests that matched it and that it applied to."""
        with self._lock:
            return [
                {"id": entry.id, "matched": entry.matched, "met": entry.met, "fault": entry.fault}
                for entry in self._entries
            ]

    def meet(self, method: str, path: str, wall: float) -> Met:
        """Return the faults that this request meets, and count it."""
        if not self._entries:
            return NOTHING
        met = NOTHING
        with self._lock:
            for entry in self._entries:
                if met.ending is not None and entry.fault.kind in ENDS:
                    continue
                if self._strikes(entry, method, path):
                    met = self._and(met, entry, wall)
        return met

    def _and(self, met: Met, entry: _Entry, wall: float) -> Met:
        """Return what a request meets that meets one fault more."""
        fault = entry.fault
        match fault.kind:
            case "latency":
                return replace(met, latency=met.latency + self._latency(entry))
            case "trickle":
                return replace(met, trickle=fault.bytes_per_second)
            case "rate_limit":
                return replace(met, refused_for=_over_rate(entry, wall)) if met.refused_for is None else met
            case "credits":
                return replace(met, balance=fault.balance) if entry.met == 1 else met
            case "stall":
                return replace(met, stall=fault)
            case "reorder":
                return replace(met, shuffle=entry.met)
            case "rows_added" | "rows_removed":
                return replace(met, moves=(*met.moves, fault))
            case _:
                return replace(met, ending=fault)

    def _strikes(self, entry: _Entry, method: str, path: str) -> bool:
        fault = entry.fault
        if fault.method not in ("*", method) or not path_matches(path, fault.path):
            return False
        if fault.kind == "stall" and (method not in ("POST", "PATCH") or path.split("/")[4:] not in _STARTS_CELLS):
            return False
        entry.matched += 1
        if entry.matched <= fault.skip or (fault.times is not None and entry.met >= fault.times):
            return False
        if fault.probability < 1 and share(self._seed, "fault", entry.id, entry.matched) >= fault.probability:
            return False
        entry.met += 1
        return True

    def _latency(self, entry: _Entry) -> float:
        fault = entry.fault
        luck = share(self._seed, "latency", entry.id, entry.met)
        match fault.distribution:
            case "uniform":
                return 2 * fault.seconds * luck
            case "exponential":
                return -fault.seconds * math.log(1 - luck)
            case "lognormal":
                # Box-Muller: two draws make one normal number.
                turn = share(self._seed, "latency turn", entry.id, entry.met)
                normal = math.sqrt(-2 * math.log(1 - luck)) * math.cos(2 * math.pi * turn)
                return fault.seconds * math.exp(fault.sigma * normal)
            case _:
                return fault.seconds


def parse_fault(text: str) -> Fault:
    """Return a fault from one line: its kind, then fields as `name=value`, e.g. `status method=POST status=500`.

    A header is `headers.Retry-After=3`; a body is JSON or any text without spaces. Raises ValueError.
    """
    kind, *fields = text.split()
    given: dict[str, Any] = {"kind": kind}
    for each in fields:
        name, equals, value = each.partition("=")
        if not equals:
            raise ValueError(f"`{each}` is not name=value")
        if name.startswith("headers."):
            given.setdefault("headers", {})[name.removeprefix("headers.")] = value
        elif name == "body":
            try:
                given["body"] = msgspec.json.decode(value)
            except msgspec.DecodeError:
                given["body"] = value
        else:
            given[name] = value
    return msgspec.convert(given, Fault, strict=False)


def path_matches(path: str, pattern: str) -> bool:
    """Return whether a path fits a pattern, part by part; the pattern `*` fits every path."""
    if pattern in ("*", "**"):
        return True
    parts, wanted = path.split("/"), pattern.split("/")
    if wanted[-1] == "**":
        wanted.pop()
        parts = parts[: len(wanted)]
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _over_rate(entry: _Entry, wall: float) -> float | None:
    """Return how long to wait if the window is full, else take a place in it."""
    window, fault = entry.window, entry.fault
    while window and window[0] <= wall - fault.per_seconds:
        window.pop(0)
    if len(window) >= fault.rate:
        return window[0] + fault.per_seconds - wall
    window.append(wall)
    return None
