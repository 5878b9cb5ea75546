"""Applies that meet: each with its own handle on one ledger, at one simulator, under one clock that a test moves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import OperationalError
from typing import Any

from reconciler.client import ApiOptions, Reader, SpendClient, Token
from reconciler.errors import Leased, ReconcilerError
from reconciler.ledger import Ledger, open_ledger
from reconciler.ledger.clocks import Boot
from reconciler.model.attempt import Actor, Ending, Receipt, Ticket
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallFilter
from reconciler.model.plan import Call, Plan
from reconciler.model.report import Report
from reconciler.operations import observe
from reconciler.operations.apply import apply as apply_plan
from reconciler.operations.apply_context import ApplyContext
from reconciler.operations.apply_events import ApplyEvents, Interrupt
from reconciler.operations.observe import Targets
from reconciler.operations.rescue import Witness
from reconciler.settings.settings import Flags, Settings, load_settings
from reconciler.simulator.live import LiveSimulator
from tests.at_most_once.small_tables import TIMES, fill, limited_settings
from tests.journey.desk import ACCOUNTS

Q, D, LEASE = TIMES["quiet_seconds"], TIMES["send_within_seconds"], TIMES["lease_seconds"]
ALL = "mode: all, revision: r1"


class Killed(BaseException):
    """The process is gone: nothing catches it, and nothing it had is of use any more."""


class Dead(Ledger):
    """A handle whose process is gone: it writes nothing more, not even on the way out."""

    def end(self, ticket: Ticket, ending: Ending) -> None:
        """Do nothing."""
        raise Killed

    def release(self, held: object) -> None:
        """Do nothing."""
        raise Killed


@dataclass
class StoreClock:
    """The ledger's clock."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        return self.now


@dataclass
class Patient(Interrupt):
    """Never interrupted, and never asleep."""

    def __init__(self) -> None:
        super().__init__()

    def sleep(self, seconds: float) -> None:
        """Return at once."""


@dataclass
class Wrapped:
    """A runner that does something else before, after or instead of a real run call."""

    client: SpendClient
    around: Callable[[Callable[[], Receipt], Call], Receipt]

    def send(self, call: Call, begin_by: float) -> Receipt:
        """Send it, in the way the test wants."""
        return self.around(lambda: self.client.send(call, begin_by), call)


@dataclass
class Party:
    """A person or a job that applies."""

    wanted: Targets
    settings: Settings
    options: ApiOptions
    ledger: Ledger
    around: Callable[[Callable[[], Receipt], Call], Receipt] | None = None
    """Stands around every run call."""
    complaints: list[str] = field(default_factory=list)

    @contextmanager
    def tools(self) -> Iterator[ApplyContext]:
        """Open what an apply works with."""
        client = SpendClient(self.options)
        runner = client if self.around is None else Wrapped(client, self.around)
        events = ApplyEvents(on_unrecorded=self.complaints.append, on_trouble=self.complaints.append)
        with Reader(self.options, sleep=lambda _seconds: None) as reader:
            yield ApplyContext(
                settings=self.settings,
                reader=reader,
                runner=runner,
                ledger=self.ledger,
                actor=Actor("party"),
                watcher=Witness(events),
                interrupt=Patient(),
            )

    def apply(self, approve: Callable[[Plan], str] = lambda _plan: "sha256:plan", **more: Any) -> Report:
        """Apply from the first look to the report. Raises what an apply raises."""
        with self.tools() as tools:
            return apply_plan(self.wanted, tools, approve, **more)

    def plan(self) -> Plan:
        """Plan, and nothing else."""
        with self.tools() as tools:
            sources = observe.Sources(tools.reader, self.ledger, self.settings)
            seen = observe.observe_tables(self.wanted, self.wanted.tables, sources)
            return observe.plan(self.wanted, seen, self.settings)

    def open_calls(self) -> list[str]:
        """Return the ids of the calls in doubt."""
        return [call.id for call in self.ledger.calls(CallFilter(states=[CallState.INTENT, CallState.IN_DOUBT]))]


def outcome(party: Party, **more: Any) -> int:
    """Apply and return the exit code, as the command line would."""
    try:
        return int(party.apply(**more).exit_code())
    except Leased:
        return 5
    except ReconcilerError:
        return 1


@dataclass
class Stage:
    """Where the parties meet."""

    folder: Path
    simulator: LiveSimulator
    clock: StoreClock
    handles: list[Ledger] = field(default_factory=list)
    ledger_url: str = ""
    """Where the ledger is; a file in the folder if it is empty."""

    def party(
        self,
        run: str = "mode: new",
        keys: tuple[str, ...] = ("news",),
        manifest: str | None = None,
        boot: Boot | None = None,
        limits: dict[str, Any] | None = None,
        **api: Any,
    ) -> Party:
        """Let an actor enter who wants `keys` of the accounts table by `run`, or what a manifest says.

        `boot` is that of the party's machine; without it, all of time is the store's clock. `limits` are those of the
        party's project.
        """
        folder = self.folder / f"party-{len(self.handles)}"
        folder.mkdir()
        text = manifest or fill(ACCOUNTS, "accounts", run, keys)
        (folder / "accounts.yaml").write_text(text, encoding="utf-8")
        project = folder / "reconciler.yaml"
        project.write_text(limited_settings(limits or {}), encoding="utf-8")
        chosen = load_settings(Flags(project=str(project)), {"EXTRUCT_API_URL": self.simulator.url})
        ledger = open_ledger(self.ledger_url or f"sqlite:///{self.folder}/ledger.db", clock=self.clock, boot=boot)
        self.handles.append(ledger)
        wanted = observe.load(chosen, [str(folder / "accounts.yaml")], (), ())
        options = ApiOptions(self.simulator.url, Token(self.simulator.token), **{"concurrency": 1, **api})
        return Party(wanted, chosen, options, ledger)

    def posts(self) -> int:
        """Return how many run calls came."""
        return sum(method == "POST" for method, _, _ in self.simulator.requests())

    def charged(self) -> set[int]:
        """Return how often cells were paid for; {1} is what everything here is about."""
        return set(self.simulator.charges().values())

    def payments(self) -> int:
        """Return how many calls the ledger counts as paid for."""
        return sum(call.payments for call in self.handles[0].calls())


def lose_the_next_commit(ledger: Ledger, *, landed: bool, then: Callable[[], object] = lambda: None) -> None:
    """Let the store's next commit be followed by an error, or take its place; `then` happens before it is told."""
    dialect = ledger._store._engine.dialect
    commit = dialect.do_commit

    def fail(connection: Any) -> None:
        del vars(dialect)["do_commit"]
        if landed:
            commit(connection)
        else:
            connection.rollback()
        then()
        raise OperationalError("the disk reported an error")

    vars(dialect)["do_commit"] = fail
