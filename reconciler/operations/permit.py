"""The cells that an apply may send: those a saved plan still approves, or those shown to the person who agreed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.documents.saved_plan_checks import AGAIN, SavedPlan
from reconciler.errors import ErroredPlan, LimitExceeded, StalePlan
from reconciler.model.account import Account
from reconciler.model.history import PastCall
from reconciler.model.manifest import Manifest
from reconciler.model.plan import ExpectedGrowth, Plan, Violation
from reconciler.operations.account import with_account
from reconciler.operations.apply_context import ApplyContext
from reconciler.operations.budgets import with_budgets
from reconciler.operations.find_tables import resolve_base
from reconciler.operations.forecast import with_forecast
from reconciler.operations.observe import Observation, Targets, plan, resolve
from reconciler.operations.profile import Phase
from reconciler.planning.waves import upstream_of
from reconciler.settings.settings import Settings
from reconciler.spending.account_check import what_helps
from reconciler.spending.approval import Approval
from reconciler.spending.elapsed import elapsed
from reconciler.spending.limits_check import check_limits
from reconciler.text.sanitize import one_line

MOST_NAMED = 10


class Permit:
    """The cells that may be sent: the saved plan's, checked again with each observation; without one, those shown."""

    def __init__(
        self, saved: SavedPlan | None, context: ApplyContext, *, waits: bool, tables: frozenset[str] | None = None
    ) -> None:
        """`tables`: take nothing else of what the manifests name; None to take all."""
        self._only = tables
        self._saved = saved
        self._context = context
        self._waits = waits
        self._looked_at = elapsed()
        self._shown: Approval | None = None
        self._manifests: tuple[Manifest, ...] = ()
        self._account: Account | None = None
        self.stale: dict[str, str] = {}
        """Manifests that the plan no longer approves, and why."""
        self.has_begun = False
        """True once something may have been sent."""

    def find(self, targets: Targets) -> tuple[Targets, Settings]:
        """Find the tables of the manifests, and of those that limits depend on. Raises StalePlan if none is left."""
        self._manifests = targets.written
        if self._saved is not None:
            self._refuse(self._saved.changed(targets.written))
        with self._context.profile.phase(Phase.READING):
            targets, settings = (
                resolve(targets, self._context.reader),
                resolve_base(self._context.settings, self._context.reader),
            )
        if self._only is not None:
            of_tables = tuple(each for each in targets.manifests if each.table_id in self._only)
            targets = replace(targets, manifests=of_tables)
        if self._saved is not None:
            self._refuse(self._saved.relocated(targets.manifests, targets.unread))
        return targets, settings

    @property
    def saved_plan_id(self) -> str:
        """The saved plan's id, under which calls may have been sent before; empty without one."""
        return "" if self._saved is None else self._saved.plan_id

    @property
    def age_seconds(self) -> float:
        """Since the first observation."""
        return elapsed() - self._looked_at

    @property
    def whole(self) -> Approval | None:
        """All approved cells, whether or not they have been sent; None before anything was shown."""
        return self._shown if self._saved is None else self._saved.approval(self.stale)

    def show(self, proposed: Plan) -> None:
        """Take the plan that was shown for approval; a saved plan was approved earlier."""
        self._shown = Approval.of_calls((*proposed.calls, *proposed.waiting))

    def left(self, observation: Observation) -> Approval | None:
        """Return the rest of the approval: without what changed, and what the ledger says was sent under a saved plan.

        Raises StalePlan if nothing is left.
        """
        if self._saved is not None:
            if observation.histories:
                self._saved.check_ledger(observation.ledger_id)
            self._refuse(self._saved.reconfigured(observation.snapshots, self._context.settings.project.prices))
        whole = self.whole
        if whole is None:
            return None
        left = whole if self._saved is None else whole.used_up(observation.histories, self._saved.plan_id)
        return replace(left, age_seconds=left.age_seconds + self.age_seconds)

    def plan(self, targets: Targets, observation: Observation, settings: Settings, within: Approval | None) -> Plan:
        """Plan within the approval. Raises PlanError if the result must not be sent."""
        found = with_forecast(self.planned(targets, observation, settings, within), observation)
        found = with_account(found, settings, self._context.reader, self._account)
        self._account = found.account
        found = with_budgets(found, settings, lambda: self._context.ledger, self.saved_plan_id)
        # An apply that waits also sends the calls that wait for its tables now.
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
        """Plan within the approval; growth beyond the listed cells was approved by manifest."""
        # A manifest that is no longer approved stays in the plan only for its doubts, so its errors do not count.
        manifests = tuple(
            replace(manifest, runs=()) if manifest.name in self.stale else manifest for manifest in targets.manifests
        )
        with self._context.profile.phase(Phase.PLANNING):
            found = plan(replace(targets, manifests=manifests), observation, settings, within, anyway)
        if self._saved is None:
            return found
        known = {manifest.name: manifest for manifest in (*targets.manifests, *targets.pending)}
        approved = [name for name in self._saved.manifest_digests if name not in self.stale and name in known]
        growth = {each.manifest: each for each in found.growth if each.manifest in approved}
        for name in approved:
            # The cells that fill it may already be bought under this very plan: its growth is still approved.
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
                    reason = f"`{one_line(manifest.name)}` comes after `{one_line(name)}`, which is no longer approved"
                    self.stale.setdefault(manifest.name, reason)
        if self.stale and self.stale.keys() >= self._saved.manifest_digests.keys():
            reasons = list(self.stale.values())
            more = len(reasons) - MOST_NAMED
            text = "; ".join(reasons[:MOST_NAMED]) + (f"; and {more:,} more" if more > 0 else "")
            raise StalePlan(text if self.has_begun else f"{text}; nothing was sent", hint=AGAIN)

    def covers(self, call: PastCall) -> bool:
        """Return True if a call in doubt covers approved cells, or was itself shown as in doubt."""
        return self._saved is None or self._saved.approval(self.stale).covers(call)


def refuse_unfit(proposed: Plan, settings: Settings, sent: str = "before anything was sent") -> None:
    """Raise PlanError if the plan must not be sent; `sent` says which part of it already was."""
    if proposed.errored:
        raise ErroredPlan(proposed.diagnostics)
    refuse_violations(check_limits(proposed, settings.limits, settings.base), sent)


def refuse_violations(violated: Sequence[Violation], sent: str = "before anything was sent") -> None:
    """Raise LimitExceeded if the plan exceeds a limit; `sent` says which part of it already was sent."""
    if violated:
        places = "\n".join(violation.set_by for violation in violated)
        message = "; ".join(violation.message for violation in violated)
        raise LimitExceeded(f"refused {sent}: {message}", hint=f"{places}\n{what_helps(violated)}")
