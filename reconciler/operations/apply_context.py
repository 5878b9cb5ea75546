"""The parts that an apply and a wait work with, put together once and handed to each of their steps."""

from dataclasses import dataclass, field

from reconciler.client import Reader
from reconciler.ledger import Ledger
from reconciler.model.attempt import Actor
from reconciler.operations.apply_events import Interrupt
from reconciler.operations.profile import Profile
from reconciler.operations.rescue import Witness
from reconciler.settings.settings import Settings
from reconciler.spending.protocol import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitContext:
    """The resources of waiting, which sends nothing."""

    settings: Settings
    reader: Reader
    ledger: Ledger
    actor: Actor
    watcher: Witness
    interrupt: Interrupt
    profile: Profile = field(default_factory=Profile)
    rests_at: dict[str, float] = field(default_factory=dict)
    """When the quiet periods of calls end that were accepted before, by id, on the clock of `elapsed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyContext(WaitContext):
    """The resources of an apply."""

    runner: Runner
    lease_timeout_seconds: float = 0.0
