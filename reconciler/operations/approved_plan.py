"""The plan that was approved for a push: the rules that a pipeline's plan file must meet before it is applied.

A forge lists what was merged and which files pipelines left, but is not trusted about a plan's content. That is read
from the file, whose id is a digest of it, and must say that the plan was made for that very change.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.errors import ReconcilerError, StalePlan
from reconciler.forge.http import Unavailable
from reconciler.model.merged_change import Candidate, ChangeHost, MergedChange, Push
from reconciler.operations.read_plan import plan_content
from reconciler.text.sanitize import one_line

_NOTHING = "the change touches nothing of the project, so it approves nothing"


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """A plan file that may be applied for a merged change."""

    number: int
    """Of the pull or merge request."""
    made_by: str
    """The run or job that produced it."""
    content: Any
    data: bytes
    """The unchanged content of the file."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A change or file that does not count, and why."""

    number: int
    made_by: str
    """Empty if the change itself has no plan."""
    why: str


@dataclass(frozen=True, slots=True)
class ApprovedPlans:
    """The plans that a push approved."""

    changes: tuple[MergedChange, ...]
    plans: tuple[ApprovedPlan, ...]
    """In the order of the merges."""
    passed_over: tuple[PassedOver, ...]
    untouched: tuple[int, ...] = ()
    """The merged changes that touch nothing of the project: they approve nothing, and lack nothing."""

    @property
    def missing(self) -> tuple[int, ...]:
        """The merged changes without a valid plan."""
        found = {plan.number for plan in self.plans}.union(self.untouched)
        return tuple(change.number for change in self.changes if change.number not in found)


def approved_plans(host: ChangeHost, push: Push, name: str, *, needs_review: bool) -> ApprovedPlans:
    """Return the plan that was approved for each change that a push merged. Raises Refused, BadResponse.

    A file that cannot be had is passed over; a forge that does not answer is an error.
    """
    plans: list[ApprovedPlan] = []
    passed_over: list[PassedOver] = []
    untouched: list[int] = []
    changes = tuple(host.merged_changes(push, needs_review=needs_review))
    for change in changes:
        if change.approved_at is None:
            passed_over.append(PassedOver(change.number, "", "its last commit has no approving review"))
            continue
        for candidate in host.plans(change, name):
            why, content, data = _judged(candidate, change, change.approved_at)
            if not why and not _touches_nothing(content):
                why = candidate.why_unseen
            if why:
                passed_over.append(PassedOver(change.number, candidate.made_by, why))
                continue
            if _touches_nothing(content):
                # What is due anyway stands in its plan, too, but no comment showed that.
                untouched.append(change.number)
                passed_over.append(PassedOver(change.number, candidate.made_by, _NOTHING))
            else:
                plans.append(ApprovedPlan(change.number, candidate.made_by, content, data))
            break
    return ApprovedPlans(changes, tuple(plans), tuple(passed_over), tuple(untouched))


def newest_snapshot(host: ChangeHost, name: str) -> tuple[bytes | None, tuple[PassedOver, ...]]:
    """Return the default branch's newest snapshot of the live tables, and what was passed over."""
    passed_over: list[PassedOver] = []
    for candidate in host.snapshots(name):
        if not candidate.why_not:
            try:
                return candidate.download(), tuple(passed_over)
            except Unavailable:
                raise  # it may be there: an older one must not take its place
            except ReconcilerError as error:
                passed_over.append(PassedOver(0, candidate.made_by, error.message))
        else:
            passed_over.append(PassedOver(0, candidate.made_by, candidate.why_not))
    return None, tuple(passed_over)


def _judged(candidate: Candidate, change: MergedChange, approved_at: datetime) -> tuple[str, Any, bytes]:
    """Return why a plan file does not count, or an empty text with its content."""
    if candidate.why_not:
        return candidate.why_not, None, b""
    if candidate.made_at > approved_at:
        approval = "the last approving review" if change.needs_review else "the merge"
        return f"it is newer than {approval}", None, b""
    try:
        data = candidate.download()
        content = plan_content(data)
    except Unavailable:
        raise  # it may be the approved one, and what is decided here is final
    except (ReconcilerError, StalePlan) as error:
        return error.message, None, b""
    return _content_problem(content, change, approved_at), content, data


def _touches_nothing(content: Any) -> bool:
    against = content.get("against")
    return against is not None and not against["changes"]


def _content_problem(content: Any, change: MergedChange, approved_at: datetime) -> str:
    """Return why a plan's content does not approve a change; empty if it does."""
    made_for = content.get("review")
    if made_for is None:
        return "it does not say which change it was made for"
    expected = {
        "repository": change.repository,
        "number": change.number,
        "head": change.head,
        "base": change.base,
    }
    for key, value in expected.items():
        if made_for[key] != value:
            return f"it was made for another {key}: {one_line(str(made_for[key]), 100)}"
    if content["errored"]:
        return "it has errors"
    if content["violations"]:
        return "it exceeds a limit"
    if datetime.fromisoformat(content["created_at"]) > approved_at:
        return "it says that it was made after it was approved"
    return ""
