"""A plan from a snapshot, and with `plan --against` the effect that a change of the project has on a plan.

With a base, two plans are made from the same observation, one of them for the base's manifests. A cell that is due in
both, in the same mode and revision, was due anyway; every other cell is due because of the change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.errors import SettingsError
from reconciler.manifests.compare import add_up, compare, compare_projects, lost, unreadable
from reconciler.manifests.yaml_reader import read_documents
from reconciler.model.change import Change, ChangeImpact
from reconciler.model.manifest import Manifest
from reconciler.model.plan import Cause, Plan
from reconciler.model.session_plan import SessionPlan
from reconciler.operations import observe, snapshots
from reconciler.operations.budgets import with_kept_budgets
from reconciler.operations.connection import Connections
from reconciler.operations.ended_calls import ended_calls
from reconciler.operations.find_tables import CachedLister, Lister, SnapshotLister, find, resolve_base
from reconciler.operations.forecast import with_forecast
from reconciler.operations.observe import Observation, Targets
from reconciler.operations.plan_change import checked, origin_of, with_balance_and_budgets
from reconciler.operations.profile import Phase
from reconciler.settings.revision import Revision, read_revision
from reconciler.settings.settings import Settings
from reconciler.spending.approval import Approval
from reconciler.text.addresses import STREAM
from reconciler.text.location import Diagnostic


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """The manifests to plan for, with all tables found."""

    targets: Targets
    settings: Settings
    base: Revision | None
    """The base to compare with."""
    every: tuple[Manifest, ...] = ()
    """With a base: all manifests here, selected or not."""
    before: tuple[Manifest, ...] = ()
    """The base's."""
    lost: tuple[Diagnostic, ...] = ()
    """Why the table of one of the base's manifests is unknown."""

    @property
    def scope(self) -> Targets:
        """Return the targets that the observation must cover: the manifests here, selected or not, and the base's.

        The base's tables are read too, unless only some runs were selected.
        """
        if self.base is None:
            return self.targets
        tables = self.targets.tables
        if not (self.targets.include or self.targets.exclude):
            tables |= frozenset(manifest.table_id for manifest in self.before)
        manifests = (*self.every, *self.before)
        return replace(self.targets, manifests=tuple(each for each in manifests if each.table_id in tables))


def plan_against(
    targets: Targets, against: str | None, live_snapshot: Path | None, connections: Connections
) -> SessionPlan:
    """Plan from one observation of the live tables, or from a snapshot; compare with a git ref or a folder.

    Raises SettingsError, ManifestError if the base's project file is invalid, Refused, LedgerError.
    """
    settings, profile = connections.settings, connections.profile
    if against is not None and STREAM in targets.named:
        message = "a manifest from standard input cannot be compared: it has no place in a commit or another folder"
        raise SettingsError(message, hint="Leave out --against, or save the manifest to a file of the project.")
    base = None if against is None else read_revision(against, settings, targets.named)
    made = origin_of(connections)
    if live_snapshot is not None:
        kept = snapshots.read_snapshot(live_snapshot, connections.environment)
        asked = find_all(targets, base, settings, SnapshotLister(kept))
        observation, taken = snapshots.from_snapshot(kept, asked.scope.tables), snapshots.taken_of(kept, made)
        with profile.phase(Phase.PLANNING):
            plan, compared = plan_asked(asked, observation)
        plan = with_kept_budgets(plan, asked.settings, kept.sums)
        made = replace(made, base_url=kept.base_url)
        return checked(plan, asked.settings, origin=made, against=compared, taken=taken, paths=targets.named)
    reader, ledger = connections.to_observe()
    with profile.phase(Phase.READING):
        asked = find_all(targets, base, settings, CachedLister(reader))
    sources = observe.Sources(reader, ledger, settings, profile)
    observation = observe.observe_tables(asked.scope, asked.scope.tables, sources, whole=False)
    with profile.phase(Phase.PLANNING):
        plan, compared = plan_asked(asked, observation)
        ended = ended_calls(observation, settings)
    plan = with_balance_and_budgets(plan, asked.settings, connections)
    return checked(plan, asked.settings, origin=made, against=compared, paths=targets.named, ended=ended)


def find_all(targets: Targets, base: Revision | None, settings: Settings, lister: Lister) -> PlanRequest:
    """Find the tables of every manifest that a plan depends on, with one list. Raises Refused on 401 and 403."""
    asked = PlanRequest(observe.resolve(targets, lister), resolve_base(settings, lister), base)
    if base is None:
        return asked
    before = find(base.manifests, base.manifests, lister)
    every = find(targets.every, targets.every, lister)
    return replace(asked, every=every.manifests, before=before.manifests, lost=before.problems)


def plan_asked(asked: PlanRequest, observation: Observation) -> tuple[Plan, ChangeImpact | None]:
    """Make the plan; with a base, give each call one cause, and return what changed and its effect."""
    targets, base, settings = asked.targets, asked.base, asked.settings
    if base is None:
        return with_forecast(observe.plan(targets, observation, settings), observation), None
    manifests = tuple(manifest for manifest in asked.before if manifest.table_id in observation.snapshots)
    before = Targets(manifests, "", (), ())
    base_plan = observe.plan(before, observation, settings)
    anyway = Approval.of_calls(base_plan.calls)
    plan = observe.plan(targets, observation, settings, anyway=anyway)
    whole = plan
    if targets.written != targets.every:
        whole = observe.plan(replace(targets, manifests=asked.every), observation, settings)
    still = Approval.of_calls(whole.calls)
    dropped = [
        call for call in observe.plan(before, observation, settings, anyway=still).calls if call.cause is Cause.CHANGE
    ]
    plan = with_forecast(plan, observation, whole, base_plan)
    return plan, add_up(base.name, _changes(asked, base), plan.calls, dropped)


def _changes(asked: PlanRequest, base: Revision) -> Sequence[Change]:
    file = asked.settings.project_file
    documents = () if file is None else read_documents(file)
    changes = compare_projects(base.value, documents[0] if documents else None)
    if base.problems:
        return (*changes, unreadable(base.name, base.problems))
    return (*changes, *lost(base.name, asked.lost), *compare(base.manifests, asked.targets.every))
