"""Whether the account can pay for a whole apply: asked before its first intent, as one process asks before it sends."""

from dataclasses import replace

from reconciler.fleet.written import Terms
from reconciler.ledger.applies import Applies
from reconciler.model.submitted import SubmittedApply
from reconciler.operations.apply_context import ApplyContext
from reconciler.operations.permit import refuse_violations
from reconciler.spending.account_check import violations_of_account


def refuse_unaffordable(apply: SubmittedApply, terms: Terms, context: ApplyContext, applies: Applies) -> None:
    """Raise LimitExceeded if the account must not or cannot pay for an apply of which nothing was sent yet.

    Raises ApiError if the account cannot be asked for.
    """
    if terms.cost is None or applies.is_begun(apply.id):
        return
    account = context.reader.read_account()
    bought = applies.bought(apply.plan_id)
    # Asked last: if nothing of it is begun even now, the balance is that of before its first call.
    if applies.is_begun(apply.id):
        return
    context.ledger.note_balance(apply.plan_id, account, age_seconds=0.0)
    cost = replace(terms.cost, known=terms.cost.known - bought)
    every = [terms.limits] if terms.base is None else [terms.limits, terms.base.limits]
    found = {
        violation.message: violation
        for limits in every
        for violation in violations_of_account(account, cost, limits, has_due=apply.cells > 0)
    }
    refuse_violations(tuple(found.values()))
