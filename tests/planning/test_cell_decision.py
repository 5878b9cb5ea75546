"""The decision about one cell, for every cell there can be: a plainly written table beside the code."""

import pytest

from reconciler.model.manifest import Mode
from reconciler.model.observed import CellState
from reconciler.model.plan import SkipReason
from reconciler.planning.cell_decision import (
    AGELESS_VERDICTS,
    AWAITED,
    BLOCKED,
    IN_DOUBT,
    LEFT_ALONE,
    MISSING_INPUTS,
    SPENT,
    VERDICTS,
    Decision,
)

FLAGS = {"doubt": IN_DOUBT, "awaited": AWAITED, "spent": SPENT, "missing": MISSING_INPUTS, "blocked": BLOCKED}

SHORT = {"no_inputs": "missing_inputs", "unaged": "age_unknown", "exhausted": "attempts_exhausted"}

# With a `refresh`, `spent` is fresh, and `never` is what the ledger never bought.
# For a mode and a state: what decides, in this order; after the last arrow what holds where none of it does.
DECISIONS = """
new    empty        doubt>in_doubt awaited>in_progress spent>not_started missing>no_inputs blocked>blocked >due
new    pending_idle        doubt>in_doubt awaited>in_progress spent>not_started missing>no_inputs blocked>blocked >due
new    done         >done
new    done-n       >done
new    failed       doubt>in_doubt awaited>in_progress >failed
new    in_progress  doubt>in_doubt >in_progress
new    pending      doubt>in_doubt >in_progress
new    unknown      doubt>in_doubt awaited>in_progress >unknown_status

failed empty        >satisfied
failed pending_idle        >satisfied
failed done         >done
failed done-n       >done
failed failed       doubt>in_doubt awaited>in_progress spent>exhausted missing>no_inputs blocked>blocked >due
failed in_progress  doubt>in_doubt >in_progress
failed pending      doubt>in_doubt >in_progress
failed unknown      doubt>in_doubt awaited>in_progress >unknown_status

all    empty        spent>satisfied doubt>in_doubt awaited>in_progress missing>no_inputs blocked>blocked >due
all    pending_idle        spent>satisfied doubt>in_doubt awaited>in_progress missing>no_inputs blocked>blocked >due
all    done         spent>satisfied doubt>in_doubt awaited>in_progress missing>no_inputs blocked>blocked >due
all    done-n       spent>satisfied doubt>in_doubt awaited>in_progress missing>no_inputs blocked>blocked >due
all    failed       spent>satisfied doubt>in_doubt awaited>in_progress missing>no_inputs blocked>blocked >due
all    in_progress  spent>satisfied doubt>in_doubt >in_progress
all    pending      spent>satisfied doubt>in_doubt >in_progress
all    unknown      spent>satisfied doubt>in_doubt awaited>in_progress >unknown_status

refresh empty spent>satisfied doubt>in_doubt awaited>in_progress missing>no_inputs blocked>blocked >due
refresh pending_idle spent>satisfied doubt>in_doubt awaited>in_progress missing>no_inputs blocked>blocked >due
refresh done spent>satisfied doubt>in_doubt awaited>in_progress never>unaged missing>no_inputs blocked>blocked >due
refresh done-n spent>satisfied doubt>in_doubt awaited>in_progress never>unaged missing>no_inputs blocked>blocked >due
refresh failed spent>satisfied doubt>in_doubt awaited>in_progress never>unaged missing>no_inputs blocked>blocked >due
refresh in_progress spent>satisfied doubt>in_doubt >in_progress
refresh pending spent>satisfied doubt>in_doubt >in_progress
refresh unknown spent>satisfied doubt>in_doubt awaited>in_progress >unknown_status
"""

# For a mode and a state: what forbids that a call covers such a cell that is not due; without a line, it always is.
COVERED_IN_PASSING = """
new    done   doubt awaited
failed done   doubt awaited
failed empty  doubt awaited missing blocked
failed pending_idle  doubt awaited missing blocked
"""

LINES = [line.split() for line in DECISIONS.splitlines() if line]
STATES = {state.name.lower().replace("done_without_value", "done-n"): state for state in CellState}


TABLES: dict[str, list[tuple[bytes, set[str]]]] = {
    **{mode.value: [(table, set())] for mode, table in VERDICTS.items()},
    "refresh": [(VERDICTS[Mode.ALL], set()), (AGELESS_VERDICTS, {"never"})],
}
"""How a cell is judged → the tables for it, each with what it adds to the flags of a byte."""


def every_byte(state: CellState) -> list[tuple[int, set[str]]]:
    """Return each byte of facts about a cell in `state`, and the names of its flags."""
    bytes_of_state = (byte for byte in range(256) if byte & 0b111 == state)
    return [(byte, {name for name, flag in FLAGS.items() if byte & flag}) for byte in bytes_of_state]


def test_the_table_has_a_line_for_every_mode_and_state() -> None:
    """Three modes, one of which has two ways to judge, and eight states."""
    assert sorted((line[0], line[1]) for line in LINES) == sorted((how, state) for how in TABLES for state in STATES)


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line[0]}-{line[1]}")
def test_a_cell_is_decided_as_the_table_says(line: list[str]) -> None:
    """Each combination of flags, for this mode and state."""
    how, state, *rules = line
    for byte, of_byte in every_byte(STATES[state]):
        for table, more in TABLES[how]:
            flags = of_byte | more
            said = next(word for flag, _, word in (rule.partition(">") for rule in rules) if not flag or flag in flags)
            assert Decision(table[byte]).name.lower() == SHORT.get(said, said), f"{sorted(flags)}"


@pytest.mark.parametrize("mode", Mode)
def test_a_call_covers_in_passing_only_what_the_table_allows(mode: Mode) -> None:
    """Each of the 256 bytes."""
    allowed = {line[1]: set(line[2:]) for line in map(str.split, COVERED_IN_PASSING.splitlines()) if line[:1] == [mode]}
    for name, state in STATES.items():
        for byte, flags in every_byte(state):
            assert bool(LEFT_ALONE[mode][byte]) == (name in allowed and not flags & allowed[name]), f"{name} {flags}"


def test_every_reason_to_skip_a_cell_has_its_verdict() -> None:
    """And every verdict but DUE its reason; where only the header was read, no cell has a verdict of its own."""
    found = {verdict.skip_reason for verdict in Decision if verdict is not Decision.DUE}
    assert found == set(SkipReason) - {SkipReason.NOT_DUE}
