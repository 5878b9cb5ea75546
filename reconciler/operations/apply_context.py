"""The parts that an apply works with, put together once and handed to each of its steps."""

from dataclasses import dataclass, field

from reconciler.client import Reader
from reconciler.ledger import Ledger
from reconciler.model.attempt import Actor
from reconciler.operations.apply_events import Interrupt
from reconciler.operations.profile import Profile
from reconciler.operations.rescue import Witness
from reconciler.settings.settings import Settings
from reconciler.spending.protocol import Runner


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """The resources of an apply."""

    settings: Settings
    reader: Reader
    runner: Runner
    ledger: Ledger
    actor: Actor
    watcher: Witness
    interrupt: Interrupt
    lease_timeout_seconds: float = 0.0
    profile: Profile = field(default_factory=Profile)
