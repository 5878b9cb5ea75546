"""Parts of a plan's text that reports, statuses and pages show too: doubts, growth, problems, awaited columns."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from reconciler.model.attempt import Settlement, Yield
from reconciler.model.drift import Drift
from reconciler.model.expectation import Judgement, Rule, Unmet
from reconciler.model.plan import Call, CallInDoubt, ExpectedGrowth, Pending, Violation
from reconciler.model.report import Yielded
from reconciler.model.rollout_result import RolloutResult
from reconciler.model.stale_cells import StaleCells
from reconciler.render.alignment import aligned
from reconciler.render.colour import Colour, Paint, plain
from reconciler.render.source_lines import source_line
from reconciler.spending.account_check import what_helps
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import amount, counted, duration, percent
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line

WAITING, DOUBT = "…", "?"

MOST_NAMED = 5
"""Upstream columns named per kind."""


def waited_for(columns: Sequence[tuple[str, bool]], spelled: Callable[[str], str]) -> str:
    """Return the columns that blocked cells wait for, each given by key and whether it is implied; empty if unknown."""
    parts = []
    for is_implied, words in ((False, ""), (True, "implied by the kind of table or column: ")):
        keys = [spelled(key) for key, implied in columns if implied is is_implied]
        more = f" and {len(keys) - MOST_NAMED:,} more" if len(keys) > MOST_NAMED else ""
        if keys:
            parts.append(f"{words}{', '.join(keys[:MOST_NAMED])}{more}")
    return f": {'; '.join(parts)}" if parts else ""


def price_text(credits_: Decimal | None) -> str:
    """Return a price in words; None stands for an unknown one."""
    if credits_ is None:
        return "credits unknown"
    return f"{amount(credits_)} {'credit' if credits_ == 1 else 'credits'}"


def trial_words(trial: RolloutResult) -> str:
    """Return in words why the rest of a rollout is held back."""
    parts = []
    if trial.has_failed and trial.max_failed is not None:
        share = percent(trial.max_failed)
        cells = counted(trial.cells, "cell")
        parts.append(f"{trial.failed:,} of {cells} of the first portion failed, and at most {share} may")
    parts += [judgement_words(each, " of the first portion") for each in trial.breached]
    return "; ".join(parts)


def judgement_words(judged: Judgement, whose: str = "") -> str:
    """Return how many answers are not as expected, and which rows have them; never what they say."""
    answers = f"{judged.found:,} of {counted(judged.answers, 'answer')}{whose}"
    is_one = judged.answers == 1
    share = percent(judged.allowed)
    match judged.test.rule:
        case Rule.MAX_EMPTY:
            words = f"{answers} {'is' if is_one else 'are'} empty, and at most {share} may be"
        case Rule.MAX_MATCH:
            pattern = quote(str(judged.test.operand))
            words = f"{answers} {'matches' if is_one else 'match'} {pattern}, and at most {share} may"
        case Rule.MIN_SOURCES:
            sources = counted(int(judged.test.operand or 0), "source")
            words = f"{answers} {'has' if is_one else 'have'} fewer than {sources}, and none may"
    rows = ", ".join(map(one_line, judged.rows))
    more = "" if judged.found <= len(judged.rows) else ", …"
    return f"{words} ({'row' if len(judged.rows) == 1 and not more else 'rows'} {rows}{more})"


def ended_words(found: Settlement) -> str:
    """Return what became of a call's cells: `17 done, 2 failed`."""
    rest = ((found.failed, "failed"), (found.not_started, "not started"))
    return ", ".join([f"{found.done:,} done", *(f"{cells:,} {word}" for cells, word in rest if cells)])


def yield_words(of: Yield) -> str:
    """Return how many answers changed, and the credits for each change: whole from 10 on, else to a tenth."""
    words = f"{of.changed:,} of {counted(of.answers, 'answer')} changed"
    each = of.credits_per_change
    if each is None:
        return words if of.credits is None or of.changed else f"{words}, for {price_text(of.credits)}"
    return f"{words}, {price_text(round(each, 0 if each >= 10 else 1).normalize() + 0)} each"


def unmet_words(unmet: Unmet) -> str:
    """Return how the answers of a run differ from what it expects."""
    said = unmet.problem or "; ".join(map(judgement_words, unmet.judgements))
    return f"{addressed(unmet)}: {said}"


def growth_text(growths: Sequence[ExpectedGrowth], paint: Paint) -> str:
    """Return the cells that may fall due while the plan is applied, with their maximum number if it is known."""
    lines = []
    for each in growths:
        name, because = one_line(each.manifest), one_line(each.because)
        text = f"{name}: {growth_words(because, each.max_rows, each.max_cells, each.max_credits)}"
        lines.append(paint(f"{DOUBT} {text}", Colour.WAITING))
    return "\n".join(lines)


def growth_words(because: str, rows: int | None, cells: int | None, price: Decimal | float | None) -> str:
    """Return the maximum growth once `because` has run, in words; None stands for an unknown number."""
    most = "no `allow_growth`" if cells is None else f"at most {counted(cells, 'cell')}"
    if rows is None:
        return f"cells unknown until {because} has run; {most}"
    credits_ = "" if price is None else f", {price_text(Decimal(price))}"
    return f"{counted(rows, 'row')} at most once {because} has run; {most}{credits_}"


def schedule_words(
    cost: Decimal | float | None, change: Decimal | float | None, unpriced_cells: int, spelled: Callable[[Any], str]
) -> str:
    """Say what schedules cost in a month, and how much of that a change causes; `spelled` writes a number."""
    priced = f"{spelled(cost)} credits"
    if unpriced_cells:
        cells = f"{spelled(unpriced_cells)} {'cell' if unpriced_cells == 1 else 'cells'}"
        priced = f"an unknown number of credits ({cells} without a known price)"
    more = f", {'+' if change > 0 else '-'}{spelled(abs(change))} by this change" if change else ""
    return f"This schedule costs {priced} a month{more}."


def addressed(of: Call | CallInDoubt | Drift | StaleCells | Unmet | Yielded) -> str:
    """Return a call's address, with its table if the address may stand for several."""
    return f"{one_line(of.address)} ({one_line(of.table_name)})" if of.table_name else one_line(of.address)


def pending_text(pending: Sequence[Pending], paint: Paint) -> str:
    """Return the manifests that wait for their table, one per line."""
    rows = [(f"{WAITING} {each.manifest}", f"waits for {one_line(each.waits_for)}: not there yet") for each in pending]
    return "\n".join(paint(line, Colour.WAITING) for line in aligned(rows))


def in_doubt_text(calls: Sequence[CallInDoubt], paint: Paint) -> str:
    """Return the calls in doubt, and how each doubt ends."""
    verb, they = ("is", "it") if len(calls) == 1 else ("are", "they")
    head = f"{DOUBT} {counted(len(calls), 'call')} {verb} in doubt: "
    head += f"{they} may have been paid for, so {they} will not be sent again."
    lines = [paint(head, Colour.DOUBT)]
    for call in calls:
        by = f" by {one_line(call.actor)}" if call.actor else ""
        sent = "sent earlier" if call.age_seconds is None else f"sent {duration(call.age_seconds)} ago"
        lines.append(f"  {addressed(call)} · {counted(call.cells, 'cell')} · {price_text(call.credits)} · {sent}{by}")
        lines.append("    It settles by itself once the table shows that it ran" + _or_that_it_did_not(call))
    lines.append("  Otherwise look at the table, then say which:")
    for call in calls:
        lines.append(f'    reconciler ledger resolve {call.id[:8]} --landed      --reason "…"')
        lines.append(f'    reconciler ledger resolve {call.id[:8]} --not-landed  --reason "…"')
    return "\n".join(lines)


def _or_that_it_did_not(call: CallInDoubt) -> str:
    if call.quiet_for_seconds is None:
        return "."
    when = f"in {duration(call.quiet_for_seconds)}" if call.quiet_for_seconds else "by now, on an idle table"
    return f", or did not: that is proven if its cells are still empty {when}."


def problems_text(problems: Sequence[Diagnostic], width: int | None = None, paint: Paint = plain) -> str:
    """Return problems with their locations, one per line, each with its hint below, once per file.

    With the `width` of a terminal, the line of the file that each is in stands between the two.
    """
    lines = []
    hinted = set()
    for problem in problems:
        where, code = paint(str(problem.location), Colour.STRONG), paint(problem.code, Colour.BAD)
        lines.append(f"{where}: {code} {problem.message}")
        shown = "" if width is None else source_line(problem.location, width)
        if shown:
            line, caret = shown.rsplit("^", 1)
            lines.append(f"{line}{paint('^', Colour.BAD)}{caret}")
        if problem.hint and (problem.location.path, problem.hint) not in hinted:
            lines.append(f"  {problem.hint}")
            hinted.add((problem.location.path, problem.hint))
    return "\n".join(lines)


def refusal_text(violations: Sequence[Violation], exits: str = "") -> str:
    """Say that an apply would be refused, by which limits, and what to do; `exits` says with which code."""
    lines = ["An apply would be refused before anything is sent:"]
    lines += [f"  {violation.message}\n    {violation.set_by}" for violation in violations]
    return "\n".join([*lines, exits + what_helps(violations)])
