"""What a plan is made of: the three sides that are compared, and how the plan is narrowed and named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.model.history import TableHistory
from reconciler.model.manifest import Manifest
from reconciler.model.observed import TableSnapshot
from reconciler.planning.plan_settings import PlanSettings
from reconciler.spending.approval import Approval
from reconciler.text.location import Diagnostic


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What the manifests want, what the tables show and what the ledger remembers."""

    manifests: Sequence[Manifest]
    """Those selected whose tables are there."""
    snapshots: Mapping[str, TableSnapshot]
    """By table id; a table without one has its problem in `unreadable`."""
    histories: Mapping[str, TableHistory]
    """By table id."""
    settings: PlanSettings
    unreadable: Sequence[Diagnostic] = ()
    pending: Sequence[Manifest] = ()
    """Those selected whose tables are not there yet."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How a plan is narrowed, parted and named."""

    within: Approval | None = None
    """Shrinks the plan to cells that were approved."""
    anyway: Approval | None = None
    """Cells due without the change that is looked at: no call mixes them with others, and each says its cause."""
    manifest_digest: str = ""
    """Of all manifests, selected or not."""
    include: tuple[str, ...] = ()
    """The `--target`s that selected the manifests, for the plan to say."""
    exclude: tuple[str, ...] = ()
