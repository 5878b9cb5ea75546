"""The ledger against the balance, as text."""

from collections.abc import Iterator

from reconciler.model.balance import Interval, Move, Reconciliation, ends
from reconciler.render.alignment import aligned
from reconciler.render.ledger_text import moment
from reconciler.text.numbers import amount, counted
from reconciler.text.sanitize import one_line

ADOPT = "`reconciler ledger adopt --as NAME` takes over cells that were run by hand."


def reconciliation_text(of: Reconciliation) -> str:
    """Return the sums, the intervals in which credits were spent outside, and the tables that were run outside."""
    return "\n".join([*_balance(of), *outside_lines(of)])


def _balance(of: Reconciliation) -> Iterator[str]:
    found = ends(of.intervals)
    if found is None:
        yield "There are no two balances to compare: apply keeps one, or credits are unlimited."
        return
    since, until = found
    before, after = (amount(each.available or 0) for each in found)
    yield f"From {moment(since.at)} to {moment(until.at)} UTC: {before} credits, then {after}."
    parts = [
        ("ours", amount(of.ours), _unpriced(of)),
        ("outside", amount(of.outside), _doubts(of)),
        ("refunded", amount(of.refunded), "  given back, or bought" if of.refunded else ""),
    ]
    yield from (line.rstrip() for line in aligned(parts, right={1}))


def _unpriced(of: Reconciliation) -> str:
    return f"  and {counted(of.unpriced_cells, 'cell')} of unknown price" if of.unpriced_cells else ""


def _doubts(of: Reconciliation) -> str:
    return f"  up to {amount(of.in_doubt)} of them may be calls in doubt" if of.in_doubt and of.outside else ""


def outside_lines(of: Reconciliation) -> Iterator[str]:
    """Yield a line for each time in which credits were spent outside the ledger, and for each table that was run so."""
    yield from (_interval(each) for each in of.intervals if each.outside)
    for table in of.tables:
        whose = f"{', '.join(table.manifests)} ({one_line(table.name)})"
        yield from (f"{whose}: {_move(each)}" for each in table.moves)
        if table.cells:
            yield f"{whose}: {never_bought(table.cells)}"
    if any(table.cells for table in of.tables):
        yield ADOPT


def never_bought(cells: int) -> str:
    """Return in words that so many cells are done now without the ledger."""
    return f"{counted(cells, 'cell')} {'is' if cells == 1 else 'are'} done that the ledger never bought"


def _move(of: Move) -> str:
    between = f"from {moment(of.since)} to {moment(of.until)} UTC"
    return f"{counted(of.cells, 'cell')} or more {'was' if of.cells == 1 else 'were'} run outside {between}"


def _interval(of: Interval) -> str:
    between = f"from {moment(of.since.at)} to {moment(of.until.at)} UTC"
    return f"{amount(of.outside)} credits were spent outside {between}"
