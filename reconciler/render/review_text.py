"""Lines above a plan, for its reviewer: how old its snapshot is, what changed, and what that causes."""

from reconciler.model.change import ChangeImpact
from reconciler.model.credits import Credits
from reconciler.model.origin import SnapshotOrigin
from reconciler.model.plan import Totals
from reconciler.render.colour import Colour, Paint
from reconciler.text.numbers import amount, counted, duration
from reconciler.text.sanitize import one_line

MOST_CHANGES = 100
"""Changes listed; the plan file has all of them."""


def review_text(against: ChangeImpact | None, taken: SnapshotOrigin | None, paint: Paint) -> str:
    """Return the lines above a plan, with the empty line that separates them; empty if there are none."""
    parts = []
    if taken is not None:
        parts.append(_taken(taken))
    if against is not None:
        parts += [_changes(against, paint), _causes(against)]
    return "".join(f"{part}\n\n" for part in parts)


def _taken(taken: SnapshotOrigin) -> str:
    age = f"taken {duration(taken.age_seconds)} ago ({one_line(taken.taken_at)})"
    signature = "its signature is valid" if taken.verified else "its signature was not checked: there is no key here"
    return f"From a snapshot of the live tables, {age}; {signature}.\nAn apply reads the live tables again."


def _changes(against: ChangeImpact, paint: Paint) -> str:
    if not against.changes:
        return f"Nothing changed since {against.ref}."
    lines = [f"Changed since {against.ref}:"]
    address: str | None = ""
    for change in against.changes[:MOST_CHANGES]:
        if change.address != address:
            address = change.address
            lines.append(paint(f"  {one_line(address or 'project file')}", Colour.STRONG))
        lines.append(f"    {change.text}")
    left = len(against.changes) - MOST_CHANGES
    return "\n".join([*lines, *([f"  and {counted(left, 'more change')}"] if left > 0 else [])])


def _causes(against: ChangeImpact) -> str:
    lines = [f"This change causes  {_sums(against.caused)}", f"Due anyway          {_sums(against.anyway)}"]
    if against.dropped.calls:
        lines.append(f"No longer due       {_sums(against.dropped)}")
    return "\n".join(lines)


def _sums(totals: Totals) -> str:
    if not totals.calls:
        return "no call"
    return f"{counted(totals.calls, 'call')}, {counted(totals.cells, 'cell')}, {_price(totals.cost)}"


def _price(cost: Credits) -> str:
    if cost.total is None and not cost.known:
        return "credits unknown"
    text = f"{amount(cost.known)} {'credit' if cost.known == 1 else 'credits'}"
    return f"{text} and {counted(cost.unpriced_cells, 'cell')} unpriced" if cost.unpriced_cells else text
