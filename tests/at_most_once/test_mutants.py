"""Each rule taken out of a copy of the program: its interleaving in `test_rules.py` must turn red, every time."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.at_most_once.program_copies import ROOT, copy_of_the_program, run_tests
from tests.example_counts import portion

FILE = "tests/at_most_once/test_rules.py"


@dataclass(frozen=True)
class Mutant:
    """A rule taken out."""

    name: str
    test: str
    """Which test of `test_rules.py` must turn red."""
    edits: tuple[tuple[str, str, str], ...]
    """Module, what stands there exactly once, what stands there without the rule."""


BEGIN = """\
        labels, version = self._labels[call.manifest], self._versions[call.table_id]
        intent = Intent(call, self._plan_id, self._actor, labels, version, ended)
        ticket = self._effects.begin(intent)  # R2, R6
        lane.kept = None
        self._versions[call.table_id] = ticket.table_version
"""
POST = """\
        if waited < self._timing.send_within_seconds:  # R3
            ending = self._post(call, ticket, started + self._timing.send_within_seconds)
            ending = replace(ending, stop=self._stop_after(call, ending, is_last=is_last))
        else:
            ending = Ending(CallState.NOT_SENT, f"the ledger took {waited:.1f} s to record the intent")
"""
SENDS_FIRST = "        ending = self._post(call, Ticket(call.id, 1, 1), self._timing.clock())\n"
STARTED = "        started = self._timing.clock()  # R1\n"
JUDGED = """\
    if call.mode is not Mode.NEW or call.age_seconds < quiet_seconds or not snapshot.is_finished:
        return None
    if not _is_untouched(call, snapshot, row_index):
        return None
"""
ACCEPTANCE = """\
    if ending is CallState.ACCEPTED:
        return _accept(standing, attempt, counted=counted)
"""
LATE_IS_LATE = """\
    if standing.state is not CallState.INTENT:
        return Move(standing, late=True)
"""
VERSION_SET = 'tables.c.version == bindparam("found")'
LOOK_AGAIN = "            or any(leases.of(table).table_version != versions[table] for table in tables)\n"

MUTANTS = [
    Mutant(
        "R1: the clock starts after the intent",
        "test_r1_the_clock_starts_before_the_intent",
        (("spending/protocol", STARTED, ""), ("spending/protocol", BEGIN, BEGIN + STARTED)),
    ),
    Mutant(
        "R2: the call is sent before its intent is recorded",
        "test_r2_the_intent_is_durable_before_a_byte_is_sent",
        (
            (
                "spending/protocol",
                BEGIN,
                "        ending = self._post(call, Ticket(call.id, 1, 1), self._timing.clock())\n" + BEGIN,
            ),
            ("spending/protocol", POST, ""),
        ),
    ),
    Mutant(
        "R3: the call is sent however late it is",
        "test_r3_the_post_starts_within_d",
        (("spending/protocol", "if waited < self._timing.send_within_seconds:  # R3", "if True:"),),
    ),
    Mutant(
        "R3: what time was lost before the call began is forgotten",
        "test_r3_a_stall_after_the_look_at_the_clock_counts",
        (("client/run_call", "min(elapsed(), begin_by)", "elapsed()"),),
    ),
    Mutant(
        "R3: each read is bounded, the whole call is not",
        "test_r3_the_whole_call_is_bounded_by_t",
        (("client/run_call", "asyncio.timeout(self._options.call_seconds)", "asyncio.timeout(None)"),),
    ),
    Mutant(
        "R3: what time was lost on the way to the wire is forgotten",
        "test_r3_time_lost_on_the_way_to_the_wire_counts",
        (("client/run_call", "if elapsed() > self.until:", "if False:"),),
    ),
    Mutant(
        "R4: no quiet period",
        "test_r4_a_call_in_doubt_rests_before_it_is_judged",
        (
            ("spending/doubt", "call.age_seconds < quiet_seconds or ", ""),
            ("operations/fold", "min_age_seconds=0.0 if ending.landed else quiet", "min_age_seconds=0.0"),
        ),
    ),
    Mutant(
        "R5: no sign of movement is looked for",
        "test_r5_a_table_that_moved_means_landed",
        (
            ("spending/doubt", "moved = evidence.sign_of_landing(call, snapshot, row_index)", 'moved = ""'),
            ("spending/doubt", JUDGED, "    if call.age_seconds < quiet_seconds:\n        return None\n"),
        ),
    ),
    Mutant(
        "R5: no movement counts as proof, whatever the mode",
        "test_r5_a_table_that_shows_nothing_proves_nothing",
        (("spending/doubt", JUDGED, "    if call.age_seconds < quiet_seconds:\n        return None\n"),),
    ),
    Mutant(
        "R5: everything in doubt counts as landed",
        "test_r5_an_untouched_table_means_not_landed",
        (
            (
                "spending/doubt",
                "moved = evidence.sign_of_landing(call, snapshot, row_index)",
                'moved = evidence.sign_of_landing(call, snapshot, row_index) or "it must have"',
            ),
        ),
    ),
    Mutant(
        "R6: a plan is sent whatever happened since it was made",
        "test_r6_a_plan_made_before_another_ones_calls_is_not_sent",
        (
            ("operations/apply", LOOK_AGAIN, ""),
            ("ledger/journal", "if table.version != version:", "if False:"),
            ("ledger/journal", VERSION_SET, VERSION_SET.replace("==", ">=")),
        ),
    ),
    Mutant(
        "R6: an intent does not compare the table's version",
        "test_r6_an_intent_is_a_compare_and_set_on_the_tables_version",
        (
            ("ledger/journal", "if table.version != version:", "if False:"),
            ("ledger/journal", VERSION_SET, VERSION_SET.replace("==", ">=")),
        ),
    ),
    Mutant(
        "R6: a verdict does not compare the attempt",
        "test_r6_of_two_recoverers_one_begins_the_next_attempt",
        (("ledger/journal", "if standing.attempt != attempt:", "if False:"),),
    ),
    Mutant(
        "R6: an ending does not compare the attempt",
        "test_r6_a_late_ending_of_an_old_attempt_does_not_settle_the_new_one",
        (("ledger/call_states", "    if attempt != standing.attempt:\n", "    if False:\n"),),
    ),
    Mutant(
        "a late acceptance is forgotten",
        "test_a_late_acceptance_is_never_lost",
        (
            (
                "ledger/call_states",
                ACCEPTANCE,
                LATE_IS_LATE + ACCEPTANCE,
            ),
        ),
    ),
    Mutant(
        "a lease's fence and owner are not checked",
        "test_a_lease_that_was_taken_away_begins_nothing",
        (
            (
                "ledger/leases",
                "if row.owner == lease.owner and row.fence == lease.fence and is_live(row, moment):",
                "if is_live(row, moment):",
            ),
        ),
    ),
    Mutant(
        "R4: elapsed time goes by the wall clock",
        "test_r4_a_wall_clock_set_forward_ends_no_quiet_period",
        (("ledger/clocks", "if self.booted_at is None or", "if True or self.booted_at is None or"),),
    ),
    Mutant(
        "a lease goes by the wall clock",
        "test_a_wall_clock_set_forward_takes_no_lease_away",
        (("ledger/codec", "ends = moment.translated(row.expires_at, row)", "ends = row.expires_at"),),
    ),
    Mutant(
        "a lease is as long as its row says",
        "test_a_lease_is_never_longer_than_it_was_taken_for",
        (("ledger/codec", "return ends if row.lease_seconds is None else", "return ends if True else"),),
    ),
    Mutant(
        "the end of a lease that was cut is not kept",
        "test_a_lease_is_never_longer_than_it_was_taken_for",
        (("ledger/leases", "if ends < moment.translated(row.expires_at, row):", "if False:"),),
    ),
    Mutant(
        "an intent that may have been recorded stays one",
        "test_an_intent_without_an_answer_leaves_no_doubt",
        (("ledger/ledger", "            self._void(intent.call, token, error, checking)\n", ""),),
    ),
    Mutant(
        "an attempt is not recognised by its token",
        "test_an_intent_of_another_process_is_not_taken_for_ones_own",
        (("ledger/journal", "if known is None or known.token != token:", "if known is None:"),),
    ),
    Mutant(
        "approval does not shrink the plan",
        "test_only_what_was_approved_is_sent",
        (
            (
                "planning/table_planner",
                "                due &= listed\n",
                "",
            ),
        ),
    ),
    Mutant(
        "more cells than planned are taken as they come",
        "test_more_cells_accepted_than_planned_stop_everything",
        (("spending/protocol", "if requested is not None and requested > call.cells:", "if False:"),),
    ),
    Mutant(
        "an accepted call is not awaited",
        "test_what_was_accepted_is_awaited_before_it_is_due_again",
        (("planning/ledger_view", "                if _is_awaited(", "                if False and _is_awaited("),),
    ),
    Mutant(
        "an accepted call is awaited for a moment only",
        "test_what_was_accepted_is_awaited_before_it_is_due_again",
        (("planning/ledger_view", "call.age_seconds >= shows_within_seconds:", "call.age_seconds >= 5:"),),
    ),
    Mutant(
        "`new` has no budget of tries",
        "test_a_cell_that_never_starts_is_bought_as_often_as_the_run_allows",
        (("planning/cell_decision", "    if cell.spent and mode is Mode.NEW:", "    if False:"),),
    ),
    Mutant(
        "an approval is not used up",
        "test_an_approval_is_used_up",
        (("operations/permit", "left = whole if self._saved is None else", "left = whole if True else"),),
    ),
    Mutant(
        "an approval is forgotten by folding",
        "test_a_folded_approval_is_used_up[1]",
        (
            (
                "ledger/checkpoints",
                "    approvals.remember(tx, table_id, (call for call, _ in past), index)\n",
                "",
            ),
        ),
    ),
    Mutant(
        "an approval that was folded is forgotten by folding more of it",
        "test_a_folded_approval_is_used_up[2]",
        (("ledger/approvals", "[] if before is None else", "[] if True else"),),
    ),
    Mutant(
        "tries are forgotten by folding",
        "test_what_is_folded_is_remembered[empty-mode: new-1000000000.0]",
        (("model/folding", "            counts[row] += 1\n", "            pass\n"),),
    ),
    Mutant(
        "revisions are forgotten by folding",
        "test_what_is_folded_is_remembered[done-mode: all, revision: r1-0.0]",
        (("model/folding", "        if fresh:\n", "        if False:\n"),),
    ),
    Mutant(
        "a cell is as old as its first purchase",
        "test_a_folded_cell_is_as_old_as_its_last_purchase",
        (("model/folding", "            if age < self._ages[row]:\n", "            if self._ages[row] == inf:\n"),),
    ),
    Mutant(
        "checkpoints are not read",
        "test_what_is_folded_is_remembered[failed-mode: failed, max_attempts: 1-0.0]",
        (("ledger/queries", "checkpoint.update(checkpoints.read(tx, batch, moment))", "pass"),),
    ),
    Mutant(
        "a call that is awaited is folded",
        "test_a_call_that_is_awaited_is_not_folded",
        (
            ("ledger/checkpoints", ", calls.c.settled_at.is_not(None)\n", "\n"),
            ("model/folding", "        assert call.settled\n", ""),
        ),
    ),
    Mutant(
        "a budget is looked at by the plan alone",
        "test_a_budget_holds_against_a_purchase_after_the_plan[buys]",
        (("ledger/journal", "    budget_windows.keep(tx, call, intent.budgets, now)\n", ""),),
    ),
    Mutant(
        "a doubt does not count in budgets",
        "test_a_budget_holds_against_a_purchase_after_the_plan[is in doubt]",
        (("ledger/spent", 'of["state"] in (CallState.INTENT, CallState.IN_DOUBT)', "False"),),
    ),
    Mutant(
        "what did not land is not given back",
        "test_a_budget_holds_against_a_purchase_after_the_plan[did not land]",
        (("ledger/journal", "    spent.move(tx, before, before | changes)\n", ""),),
    ),
    Mutant(
        "a window never turns",
        "test_a_budget_holds_against_a_purchase_after_the_plan[buys]",
        (("ledger/spent", "    return int(seconds // QUARTER_SECONDS)", "    return 0"),),
    ),
    Mutant(
        "calls begun for others do not count",
        "test_two_intents_at_once_keep_a_budget_together",
        (("ledger/spent", '        return sorted({"", *map(scope_of, self.labels)})', "        return []"),),
    ),
    Mutant(
        "a pending cell is taken for a sign of landing",
        "test_r5_a_table_that_runs_does_not_prove_that_nothing_landed",
        (("spending/evidence", "if now == CellState.PENDING and state in _NEVER_RUN:", "if False:"),),
    ),
    Mutant(
        "a gateway's status is taken for a refusal",
        "test_a_status_that_proves_nothing_leaves_the_call_in_doubt[408]",
        (("client/run_call", "if status in REFUSALS:", "if status is not None and 400 <= status < 500:"),),
    ),
]
RULES = ("R1", "R2", "R3", "R4", "R5", "R6")


def mutated(mutant: Mutant, folder: Path) -> dict[Path, str]:
    """Return the program in `folder` without the rule; each snippet must stand there exactly once."""
    texts: dict[Path, str] = {}
    for module, rule, without in mutant.edits:
        path = folder / "reconciler" / f"{module}.py"
        source = texts.get(path) or path.read_text(encoding="utf-8")
        assert source.count(rule) == 1, f"{mutant.name}: {source.count(rule)} times in {module}.py: {rule}"
        texts[path] = source.replace(rule, without)
    return texts


def test_the_rules_hold_in_a_copy_of_the_program(tmp_path: Path) -> None:
    """The copy as it is turns none of the tests red; otherwise a mutant's red would mean nothing."""
    done = run_tests(copy_of_the_program(tmp_path), *sorted({f"{FILE}::{mutant.test}" for mutant in chosen()}))
    assert done.code == 0, done.out


def test_every_rule_has_a_mutant() -> None:
    """Six of six."""
    assert {mutant.name[:2] for mutant in MUTANTS} >= set(RULES)


def chosen() -> list[Mutant]:
    """Return one mutant of each rule and an eighth of the rest, or all with `EXAMPLES=all`."""
    of_rules = {mutant.name[:2]: mutant for mutant in reversed(MUTANTS) if mutant.name[:2] in RULES}
    rest = [mutant for mutant in MUTANTS if mutant not in of_rules.values()]
    return [*of_rules.values(), *portion(rest)]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_fits_the_program(mutant: Mutant) -> None:
    """Also those that are not chosen today: otherwise the list would rot unseen."""
    assert mutated(mutant, ROOT)


@pytest.mark.parametrize("mutant", chosen(), ids=lambda mutant: mutant.name)
def test_without_any_of_the_rules_its_interleaving_turns_red(mutant: Mutant, tmp_path: Path) -> None:
    """Every mutant is caught by its own test, with a failed assertion and not with a broken import."""
    folder = copy_of_the_program(tmp_path)
    for path, text in mutated(mutant, folder).items():
        path.write_text(text, encoding="utf-8")
    done = run_tests(folder, f"{FILE}::{mutant.test}")
    assert done.code == 1, done.out
    assert "1 failed" in done.out, done.out
    assert "ImportError" not in done.out
