"""Elapsed time on one boot goes by the boot's clock, whatever the wall clock is set to; elsewhere by the store's."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from reconciler.errors import Leased, LedgerError
from reconciler.ledger import Ledger, open_ledger
from reconciler.ledger.clocks import Boot, this_boot
from reconciler.model.attempt import Verdict
from reconciler.model.history import CallState
from tests.ledger.calls_and_actors import ALICE, ROBOT, TABLE, Clock, a_call, accepted, begin, state_of

HOUR, Q, LEASE = 3600.0, 180.0, 60.0


@dataclass
class Machine:
    """A machine whose two clocks are moved by hand; the store's clock is its wall clock, shared with others."""

    store: Clock
    name: str = "boot 1"
    boot: Clock = field(default_factory=lambda: Clock(500.0))

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.store.now += seconds
        self.boot.now += seconds

    def handle(self, url: str) -> Ledger:
        """Open the ledger as a process on this machine."""
        return open_ledger(url, clock=self.store, boot=Boot(self.name, self.boot))


Enter = Callable[[Machine], Ledger]


@pytest.fixture
def enter(url: str) -> Iterator[Enter]:
    """A function that opens the test's store as a process on a machine."""
    handles: list[Ledger] = []

    def on(machine: Machine) -> Ledger:
        handles.append(machine.handle(url))
        return handles[-1]

    yield on
    for handle in handles:
        handle.close()


@pytest.fixture
def machine(clock: Clock) -> Machine:
    """The machine that everything begins on."""
    return Machine(clock)


def age(ledger: Ledger) -> float:
    """Return the age of the table's one call, as planning and people see it."""
    (call,) = ledger.recall([TABLE])[TABLE].calls
    assert ledger.find(call.id).age_seconds == ledger.past(call.id).age_seconds == call.age_seconds
    return call.age_seconds


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 1e9, -1e9])
def test_a_wall_clock_that_is_set_changes_no_age_on_the_same_boot(enter: Enter, machine: Machine, jump: float) -> None:
    """Forward it would end Q early and buy twice, back it would keep a doubt for as long."""
    sender, recoverer = enter(machine), enter(machine)
    begin(sender, a_call())
    machine.passes(Q - 1)
    machine.store.now += jump
    assert age(recoverer) == pytest.approx(Q - 1, abs=1e-3)
    with pytest.raises(LedgerError, match="in flight"):
        recoverer.resolve(Verdict(a_call().id, 1, landed=False, reason="early", actor=ALICE, min_age_seconds=Q))
    machine.passes(1.01)
    recoverer.resolve(Verdict(a_call().id, 1, landed=False, reason="quiet", actor=ALICE, min_age_seconds=Q))
    assert state_of(sender, a_call()) == (CallState.NOT_SENT, 1)


def test_an_accepted_call_is_as_old_as_the_boot_says(enter: Enter, machine: Machine) -> None:
    """The waiting for a call goes by the same age, also after another attempt at another setting of the clock."""
    ledger = enter(machine)
    ticket = begin(ledger, a_call())
    ledger.resolve(Verdict(a_call().id, 1, landed=False, reason="looked", actor=ALICE))
    machine.store.now += HOUR
    ticket = begin(ledger, a_call())
    ledger.end(ticket, accepted())
    machine.passes(5)
    machine.store.now -= 2 * HOUR
    assert age(ledger) == pytest.approx(5, abs=1e-3)


@pytest.mark.parametrize("where", ["another machine", "after a reboot", "a system that does not tell"])
def test_elsewhere_the_stores_clock_counts(enter: Enter, machine: Machine, clock: Clock, url: str, where: str) -> None:
    """The clock of another boot says nothing, however far it has come."""
    begin(enter(machine), a_call())
    machine.passes(100)
    if where == "a system that does not tell":
        with open_ledger(url, clock=clock) as ledger:
            assert age(ledger) == 100
        return
    boot = Clock(1.0) if where == "after a reboot" else Clock(1e7)
    assert age(enter(Machine(clock, "boot 2", boot))) == 100


def test_a_lease_on_the_same_boot_ends_by_its_clock_when_the_wall_clock_is_set(enter: Enter, machine: Machine) -> None:
    """Forward, its holder keeps it; back, it ends no later: never two at once, and none waits for an hour."""
    first, second = enter(machine), enter(machine)
    (lease,) = first.acquire([TABLE], owner="one", actor=ROBOT, seconds=LEASE)
    for jump in (HOUR, -2 * HOUR):
        machine.store.now += jump
        with pytest.raises(Leased, match="for 60 s more"):
            second.acquire([TABLE], owner="two", actor=ALICE, seconds=LEASE)
        assert [held.remaining_seconds for held in second.leases()] == pytest.approx([LEASE], abs=1e-3)
    machine.passes(LEASE - 1)
    begin(first, a_call(), lease=lease)
    machine.passes(1.01)
    with pytest.raises(Leased, match="lost"):
        begin(first, a_call(2), lease=lease)
    assert second.acquire([TABLE], owner="two", actor=ALICE, seconds=LEASE)[0].fence == 2


def test_a_lease_of_another_boot_is_no_longer_than_it_was_taken_for(enter: Enter, machine: Machine) -> None:
    """The server's clock was set back an hour: a dead holder keeps others out for a lease from when they ask, no more.

    Its real end is not known any more. It is before that in any case, so that no two hold it at once.
    """
    enter(machine).acquire([TABLE], owner="one", actor=ROBOT, seconds=LEASE)
    other = enter(Machine(machine.store, "boot 2"))
    machine.passes(50)
    machine.store.now -= HOUR
    assert [held.remaining_seconds for held in other.leases()] == [LEASE]
    for passes in (0.0, 59.0):
        machine.passes(passes)
        with pytest.raises(Leased, match=f"for {LEASE - passes:.0f} s more"):
            other.acquire([TABLE], owner="two", actor=ALICE, seconds=5)
    machine.passes(1)
    assert other.acquire([TABLE], owner="two", actor=ALICE, seconds=LEASE)[0].fence == 2


def test_a_holder_that_lives_keeps_its_lease_when_the_stores_clock_is_set_back(enter: Enter, machine: Machine) -> None:
    """It renews, and goes on; another machine is kept out, now and after what it has seen as the end."""
    first, other = enter(machine), enter(Machine(machine.store, "boot 2"))
    leases = first.acquire([TABLE], owner="one", actor=ROBOT, seconds=LEASE)
    machine.store.now -= HOUR
    for _ in range(10):
        with pytest.raises(Leased):
            other.acquire([TABLE], owner="two", actor=ALICE, seconds=LEASE)
        machine.passes(15)
        leases = first.renew(leases, seconds=LEASE)
    begin(first, a_call(), lease=leases[0])


def test_a_lease_may_be_longer_than_that_of_whoever_asks(enter: Enter, machine: Machine) -> None:
    """Two projects with other settings share a ledger: the longer lease is not cut short."""
    enter(machine).acquire([TABLE], owner="one", actor=ROBOT, seconds=600)
    other = enter(Machine(machine.store, "boot 2"))
    machine.passes(500)
    with pytest.raises(Leased, match="for 100 s more"):
        other.acquire([TABLE], owner="two", actor=ALICE, seconds=LEASE)


def test_every_process_on_this_machine_is_of_the_same_boot() -> None:
    """With one clock: what one process reads after another is later."""
    boot = this_boot()
    assert boot is not None
    code = "from reconciler.ledger.clocks import this_boot as b; print(b().identity); print(b().seconds())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0] == boot.identity
    assert float(said[1]) < boot.seconds()


def test_a_ledger_keeps_the_boot_of_this_machine_by_itself(url: str) -> None:
    """Without a clock of a test's own."""
    with open_ledger(url) as ledger:
        begin(ledger, a_call())
        exported = [line for line in ledger.export() if '"type":"call"' in line]
        assert 0 <= ledger.recall([TABLE])[TABLE].calls[0].age_seconds < HOUR
    assert len(exported) == 1
    boot = this_boot()
    assert boot is not None
    assert f'"boot":"{boot.identity}"' in exported[0]
