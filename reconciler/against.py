"""The story of `plan --against`: what a change of the project does to its plan.

The plan is made twice from the same look, once for the manifests of the base. A cell that is due now and was due there
in the same mode and revision was due anyway; every other is due because of the change.
"""

from dataclasses import replace

from reconciler import looking
from reconciler.approval import Approval
from reconciler.comparison import add_up, compare, compare_projects, unreadable
from reconciler.looking import Look, Wanted
from reconciler.plan import Against, Cause, Plan
from reconciler.revision import Revision
from reconciler.settings import Settings
from reconciler.sources import read_documents


def to_see(wanted: Wanted, base: Revision) -> Wanted:
    """Return what the look must be good for: the manifests here, selected or not, and those of the base.

    The base's tables are read too, unless only some runs were asked for.
    """
    tables = wanted.tables if wanted.include or wanted.exclude else wanted.tables | base.tables
    manifests = (*wanted.every, *base.manifests)
    return replace(wanted, manifests=tuple(manifest for manifest in manifests if manifest.table_id in tables))


def plan_against(wanted: Wanted, base: Revision, seen: Look, settings: Settings) -> tuple[Plan, Against]:
    """Make the plan, each call of one cause, and say what changed and what came of it."""
    manifests = tuple(manifest for manifest in base.manifests if manifest.table_id in seen.snapshots)
    before = Wanted(manifests, "", (), ())
    anyway = Approval.of_calls(looking.plan(before, seen, settings).calls)
    plan = looking.plan(wanted, seen, settings, anyway=anyway)
    whole = plan
    if wanted.manifests != wanted.every:
        whole = looking.plan(replace(wanted, manifests=wanted.every), seen, settings)
    still = Approval.of_calls(whole.calls)
    dropped = [call for call in looking.plan(before, seen, settings, anyway=still).calls if call.cause is Cause.CHANGE]
    documents = () if settings.project_file is None else read_documents(settings.project_file)
    changes = compare_projects(base.value, documents[0] if documents else None)
    if base.problems:
        changes += (unreadable(base.name, base.problems),)
    else:
        changes += compare(base.manifests, wanted.every)
    return plan, add_up(base.name, changes, plan.calls, dropped)
