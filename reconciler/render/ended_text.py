"""Calls of earlier applies that have ended, above what a plan, a status or a drift says."""

from collections.abc import Sequence

from reconciler.model.ended_call import EndedCall
from reconciler.render.alignment import aligned
from reconciler.render.colour import Colour, Paint
from reconciler.render.plan_parts import ended_words
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

MOST_CALLS = 10


def ended_text(ended: Sequence[EndedCall], paint: Paint) -> str:
    """Return what the live tables show of calls that the ledger still waits for, and the line below it.

    Empty if there are none.
    """
    if not ended:
        return ""
    noun = counted(len(ended), "earlier call")
    verb = "has" if len(ended) == 1 else "have"
    head = f"{noun} {verb} ended, as the live tables show; `reconciler wait` or the next apply writes it to the ledger."
    rows = [(f"  {one_line(each.address)}", counted(each.cells, "cell"), _words(each)) for each in ended[:MOST_CALLS]]
    left = len(ended) - MOST_CALLS
    lines = [head, *aligned(rows, right={1}), *([f"  and {counted(left, 'more call')}"] if left > 0 else [])]
    return paint("\n".join(lines), Colour.QUIET) + "\n\n"


def _words(call: EndedCall) -> str:
    doubt = {None: "", True: "was in doubt and landed", False: "was in doubt and did not land"}[call.landed]
    if call.found is None:
        return doubt
    counts = ended_words(call.found)
    return f"{counts}; {doubt}" if doubt else counts
