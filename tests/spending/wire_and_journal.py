"""The two parts that an apply is handed, small enough to read: a wire that answers as told, a book that remembers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reconciler.errors import Leased
from reconciler.model.attempt import Actor, CallResult, Ending, Intent, Receipt, Ticket
from reconciler.model.observed import CellCounts
from reconciler.model.plan import Call, Plan, PlannedTable
from reconciler.spending.protocol import Effects, SendTiming, SpendProtocol

ACTOR = Actor("ana@laptop")
Answer = Receipt | BaseException


@dataclass
class Log:
    """Everything that happened, in order, and the time, which passes only when a test says so."""

    events: list[str] = field(default_factory=list)
    now: float = 0.0

    def clock(self) -> float:
        """Return the monotonic time."""
        return self.now

    def pause(self, attempt: int) -> None:
        """Note that an apply waited."""
        self.events.append(f"pause {attempt}")


@dataclass
class Wire:
    """Sends nothing, and answers each call as it was told: in turn, the last answer again and again."""

    log: Log
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    meeting: Callable[[Call], object] = lambda call: None
    """An event while a call is on its way."""

    def send(self, call: Call, begin_by: float = 0.0) -> Receipt:
        """Answer a call; one that it was told nothing about is accepted."""
        self.log.events.append(f"send {short(call)}")
        self.meeting(call)
        told = self.answers.get(call.id, [])
        answer = (told.pop(0) if len(told) > 1 else told[0]) if told else Receipt("run", call.cells)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@dataclass
class Book:
    """A journal in memory, with the compare-and-set on a table's version."""

    log: Log
    seconds: float = 0.0
    """How long an intent takes to become durable."""
    begins: list[BaseException | None] = field(default_factory=list)
    """The trouble of each attempt to begin, in turn; then none."""
    ends: list[BaseException | None] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)

    def begin(self, intent: Intent) -> Ticket:
        """Take an intent down, and how the call before it ended: both or neither."""
        self.log.now += self.seconds
        call, version, labels = intent.call, intent.version, dict(intent.labels)
        self.log.events.append(f"begin {short(call)} at {version} for {intent.plan_id} by {intent.actor.name} {labels}")
        _meet(self.begins)
        if self.versions.setdefault(call.table_id, 0) != version:
            raise Leased("another apply is at work")
        if intent.ended is not None:
            self.end(intent.ended.ticket, intent.ended.ending)
        self.versions[call.table_id] += 1
        return Ticket(call.id, 1, self.versions[call.table_id])

    def end(self, ticket: Ticket, ending: Ending) -> None:
        """Take an ending down."""
        self.log.events.append(f"end {int(ticket.call_id, 16)} {ending.state}")
        _meet(self.ends)


def _meet(errors: list[BaseException | None]) -> None:
    error = errors.pop(0) if errors else None
    if error is not None:
        raise error


def short(call: Call) -> str:
    """Return the number a call was made with."""
    return str(int(call.id, 16))


@dataclass
class Bench:
    """An apply with its parts around it."""

    log: Log
    wire: Wire
    book: Book
    unrecorded: list[tuple[Call, Ticket, Ending]] = field(default_factory=list)

    @classmethod
    def new(cls) -> "Bench":
        """Return a bench on which everything goes well."""
        log = Log()
        return cls(log, Wire(log), Book(log))

    def apply(
        self,
        calls: Sequence[Call],
        *,
        interrupted: Callable[[], bool] = lambda: False,
        concurrency: int = 1,
        hold: Callable[[float], None] | None = None,
    ) -> SpendProtocol:
        """Return an apply of `calls`, not begun."""
        return SpendProtocol(
            a_plan(calls),
            Effects(self.wire.send, self.book.begin, self.book.end, lambda *told: self.unrecorded.append(told)),
            SendTiming(2.0, self.log.clock, self.log.pause, concurrency=concurrency, hold=hold),
            plan_id="p",
            actor=ACTOR,
            interrupted=interrupted,
        )

    def run(self, *calls: Call) -> tuple[SpendProtocol, list[CallResult]]:
        """Apply `calls` to the end."""
        apply = self.apply(calls)
        return apply, list(apply.run())

    def count(self, event: str) -> int:
        """Return how often an event that begins like this happened."""
        return sum(each.startswith(event) for each in self.log.events)


def a_plan(calls: Sequence[Call]) -> Plan:
    """Return a plan of `calls`, their tables at version 0."""
    tables = {(call.manifest, call.table_id): None for call in calls}
    return Plan(
        "",
        tables=tuple(
            PlannedTable(name, table, name, "idle", True, 2, "", CellCounts(), labels={"team": name})
            for name, table in tables
        ),
        calls=tuple(calls),
    )
