"""Limits: what passes, what does not, and what cannot be told."""

from decimal import Decimal

import pytest

from reconciler.model.limits import Limit, Limits
from reconciler.model.plan import Call, Plan
from reconciler.spending.limits_check import violations
from tests.planning.tables_and_manifests import a_call, row_id


def limits(credits_: str | None = None, cells: int | None = None) -> Limits:
    """Return limits as two flags set them."""
    return Limits(
        None if credits_ is None else Limit(Decimal(credits_), "--max-credits"),
        None if cells is None else Limit(Decimal(cells), "--max-cells"),
    )


def plan_of(*calls: Call) -> Plan:
    """Return a plan of `calls`."""
    return Plan("", calls=calls)


TEN = a_call(1, rows=[row_id(number) for number in range(10)], price=Decimal("0.1"))
UNPRICED = a_call(2, rows=[row_id(number) for number in range(5)], price=None)


@pytest.mark.parametrize("allowed", [limits(), limits("1"), limits("1.0", 10), limits(cells=10)])
def test_a_plan_at_its_limit_passes(allowed: Limits) -> None:
    """Ten cells at 0.1 are exactly 1 credit."""
    assert violations(plan_of(TEN), allowed) == ()


def test_each_limit_that_is_passed_is_named_with_its_place() -> None:
    """Both at once, each with what is due and what is allowed."""
    found = violations(plan_of(TEN), limits("0.9", 9))
    assert [(each.rule, each.message, each.set_at) for each in found] == [
        ("max_cells", "10 cells are due and the limit is 9", "--max-cells"),
        ("max_credits", "1 credits are due and the limit is 0.9", "--max-credits"),
    ]


def test_an_unknown_price_is_never_within_a_limit() -> None:
    """However high the limit is."""
    (found,) = violations(plan_of(TEN, UNPRICED), limits("1000000"))
    assert found.rule == "max_credits"
    assert found.message == "5 cells have no known price, so the limit of 1,000,000 credits cannot be checked"


def test_known_prices_alone_may_pass_the_limit() -> None:
    """Then that is what is said."""
    (found,) = violations(plan_of(TEN, UNPRICED), limits("0.5"))
    assert found.message == "1 credits are due and the limit is 0.5"


def test_unknown_prices_pass_a_limit_on_cells() -> None:
    """Cells are counted whatever they cost."""
    assert violations(plan_of(UNPRICED), limits(cells=5)) == ()
    assert [each.rule for each in violations(plan_of(UNPRICED), limits(cells=4))] == ["max_cells"]


def test_an_empty_plan_is_within_every_limit() -> None:
    """Also within none at all."""
    assert violations(plan_of(), limits("0", 0)) == ()
