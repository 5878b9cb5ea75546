"""What an apply may send: what a saved plan still approves, or what was shown to the person who said yes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.documents.saved_plan import AGAIN, SavedPlan
from reconciler.errors import ErroredPlan, LimitExceeded, StalePlan
from reconciler.model.history import PastCall
from reconciler.model.manifest import Manifest
from reconciler.model.plan import ExpectedGrowth, Plan, Violation
from reconciler.operations.find_tables import resolve_base
from reconciler.operations.observe import Observation, Targets, plan, resolve
from reconciler.operations.profile import Phase
from reconciler.operations.send import ApplyContext
from reconciler.planning.waves import upstream_of
from reconciler.settings.settings import Settings
from reconciler.spending.approval import Approval
from reconciler.spending.elapsed import elapsed
from reconciler.spending.limits_check import NARROW, check_limits
from reconciler.text.sanitize import one_line

MOST_NAMED = 10


class Permit:
    """What may be sent: what the saved plan approves, judged again with each look; without one, what was shown."""

    def __init__(self, saved: SavedPlan | None, context: ApplyContext, *, waits: bool) -> None:
        self._saved = saved
        self._tools = context
        self._waits = waits
        self._looked_at = elapsed()
        self._shown: Approval | None = None
        self._manifests: tuple[Manifest, ...] = ()
        self.stale: dict[str, str] = {}
        """Manifests that the plan does not approve any more, and why."""
        self.has_begun = False
        """True once something may have been sent."""

    def find(self, targets: Targets) -> tuple[Targets, Settings]:
        """Find the tables of the manifests and of those that limits go by. Raises StalePlan where nothing stays."""
        self._manifests = targets.written
        if self._saved is not None:
            self._refuse(self._saved.changed(targets.written))
        with self._tools.profile.phase(Phase.READING):
            targets, settings = (
                resolve(targets, self._tools.reader),
                resolve_base(self._tools.settings, self._tools.reader),
            )
        if self._saved is not None:
            self._refuse(self._saved.relocated(targets.manifests, targets.unread))
        return targets, settings

    @property
    def saved_plan_id(self) -> str:
        """The saved plan's id, under which calls may have been sent before; empty without one."""
        return "" if self._saved is None else self._saved.plan_id

    @property
    def age_seconds(self) -> float:
        """Since the first look."""
        return elapsed() - self._looked_at

    @property
    def whole(self) -> Approval | None:
        """Everything that is approved, whether or not it was sent since; None before anything was shown."""
        return self._shown if self._saved is None else self._saved.approval(self.stale)

    def show(self, proposed: Plan) -> None:
        """Take what was shown to whoever approved it; a saved plan was approved before."""
        self._shown = Approval.of_calls((*proposed.calls, *proposed.waiting))

    def left(self, observation: Observation) -> Approval | None:
        """Return what is approved still: not what changed, and not what the ledger says was sent under a saved plan.

        Raises StalePlan where nothing stays.
        """
        if self._saved is not None:
            if observation.histories:
                self._saved.check_ledger(observation.ledger_id)
            self._refuse(self._saved.reconfigured(observation.snapshots, self._tools.settings.project.prices))
        whole = self.whole
        if whole is None:
            return None
        left = whole if self._saved is None else whole.used_up(observation.histories, self._saved.plan_id)
        return replace(left, age_seconds=left.age_seconds + self.age_seconds)

    def plan(self, targets: Targets, observation: Observation, settings: Settings, within: Approval | None) -> Plan:
        """Plan within what is approved. Raises PlanError where that must not be sent."""
        found = self.planned(targets, observation, settings, within)
        # Where the apply waits, it sends too what its tables keep waiting now.
        refuse_unfit(replace(found, calls=(*found.calls, *found.waiting)) if self._waits else found, settings)
        return found

    def planned(
        self,
        targets: Targets,
        observation: Observation,
        settings: Settings,
        within: Approval | None,
        anyway: Approval | None = None,
    ) -> Plan:
        """Plan within what is approved; what may grow beyond it was approved by name too."""
        # A manifest that is not approved any more stays in the plan for its doubts alone: nothing of it can be wrong.
        manifests = tuple(
            replace(manifest, runs=()) if manifest.name in self.stale else manifest for manifest in targets.manifests
        )
        with self._tools.profile.phase(Phase.PLANNING):
            found = plan(replace(targets, manifests=manifests), observation, settings, within, anyway)
        if self._saved is None:
            return found
        known = {manifest.name: manifest for manifest in (*targets.manifests, *targets.pending)}
        approved = [name for name in self._saved.manifest_digests if name not in self.stale and name in known]
        growth = {each.manifest: each for each in found.growth if each.manifest in approved}
        for name in approved:
            # What fills it may have been bought already, under this very plan: what has grown is approved still.
            if name in self._saved.growth and name not in growth and (source := known[name].source) is not None:
                growth[name] = ExpectedGrowth(
                    name, known[name].table_id, str(source), None, None, known[name].table_place, known[name].labels
                )
        return self._saved.held(replace(found, growth=tuple(growth[name] for name in sorted(growth))))

    def _refuse(self, stale: Mapping[str, str]) -> None:
        assert self._saved is not None
        self.stale = dict(stale) | self.stale
        for manifest in self._manifests:
            for name in sorted(upstream_of(manifest.name, self._manifests) & self.stale.keys()):
                if manifest.name in self._saved.manifest_digests:
                    reason = (
                        f"`{one_line(manifest.name)}` comes after `{one_line(name)}`, which is not approved any more"
                    )
                    self.stale.setdefault(manifest.name, reason)
        if self.stale and self.stale.keys() >= self._saved.manifest_digests.keys():
            reasons = list(self.stale.values())
            more = len(reasons) - MOST_NAMED
            text = "; ".join(reasons[:MOST_NAMED]) + (f"; and {more:,} more" if more > 0 else "")
            raise StalePlan(text if self.has_begun else f"{text}; nothing was sent", hint=AGAIN)

    def covers(self, call: PastCall) -> bool:
        """Say whether a call in doubt is of cells that are approved, or were shown as in doubt when they were not."""
        return self._saved is None or self._saved.approval(self.stale).covers(call)


def refuse_unfit(proposed: Plan, settings: Settings, sent: str = "before anything was sent") -> None:
    """Raise PlanError if the plan must not be sent; `sent` says what of it was."""
    if proposed.errored:
        raise ErroredPlan(proposed.diagnostics)
    refuse_violations(check_limits(proposed, settings.limits, settings.floor), sent)


def refuse_violations(violated: Sequence[Violation], sent: str = "before anything was sent") -> None:
    """Raise LimitExceeded if there is a limit that a plan passes; `sent` says what of it was sent."""
    if violated:
        places = "\n".join(violation.set_by for violation in violated)
        message = "; ".join(violation.message for violation in violated)
        raise LimitExceeded(f"refused {sent}: {message}", hint=f"{places}\n{NARROW}")
