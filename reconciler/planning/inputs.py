"""The inputs of a plan: the three sides that are compared, and how the plan is narrowed and named."""

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
    """The three sides of a plan: manifests, live tables and ledger."""

    manifests: Sequence[Manifest]
    """Selected manifests whose tables exist."""
    snapshots: Mapping[str, TableSnapshot]
    """By table id; a table that is missing here has its problem in `unreadable`."""
    histories: Mapping[str, TableHistory]
    """By table id."""
    settings: PlanSettings
    unreadable: Sequence[Diagnostic] = ()
    pending: Sequence[Manifest] = ()
    """Selected manifests whose tables do not exist yet."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How a plan is narrowed, split by cause and named."""

    within: Approval | None = None
    """Limits the plan to cells that were approved."""
    anyway: Approval | None = None
    """Cells due even without the change under review: no call mixes them with others, and each states its cause."""
    manifest_digest: str = ""
    """Over all manifests, selected or not."""
    include: tuple[str, ...] = ()
    """The `--target`s that selected the manifests; recorded in the plan."""
    exclude: tuple[str, ...] = ()
    maps: bool = False
    """True to keep the decision about each cell, one byte per cell."""
    stale: bool = False
    """True to count the answers that predate the present prompt or the present inputs."""
