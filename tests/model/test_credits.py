"""A sum of credits never takes an unknown price for 0, and never loses a digit."""

from decimal import Decimal

from reconciler.model.credits import Credits


def test_what_is_known_and_what_is_not_are_added_up_apart() -> None:
    """By price and number of cells; the whole is known only if every price is."""
    tenth = Decimal("0.1")
    priced = Credits.at([(tenth, 2), (tenth, 1)])
    assert (priced, priced.total) == (Credits(Decimal("0.3")), Decimal("0.3"))
    both = priced + Credits.at([(None, 4)])
    assert (both, both.total) == (Credits(Decimal("0.3"), unpriced_cells=4), None)


def test_nothing_costs_nothing() -> None:
    """A sum of no calls is known, and so are no cells of an unknown price."""
    assert Credits.sum([]).total == Credits.at([(None, 0)]).total == Decimal(0)
