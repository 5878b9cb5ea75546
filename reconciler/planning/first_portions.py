"""Which answers are looked at while tables are read: those of first portions, and, once waited for, of whole runs.

The ledger is recalled before a table is read, so it is known by then which rows were tried first. Only those are
looked at: a plan with a rollout costs what one without it does.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from reconciler.model.answer_filter import AskedAnswers
from reconciler.model.history import TableHistory
from reconciler.model.manifest import Manifest, Mode, Run

SPARE_ROWS = 100
"""Rows tried after a first portion that are looked at too: some of the first may have been deleted since."""


def asked_answers(manifests: Iterable[Manifest], history: TableHistory, *, whole: bool) -> list[AskedAnswers]:
    """Return the answers of a table that its manifests ask for; with `whole`, also those of runs with an `expect`."""
    asked = []
    for run in (run for manifest in manifests for run in manifest.runs):
        columns = None if run.columns is None else tuple(named.text for named in run.columns)
        if whole and run.expect is not None:
            asked.append(AskedAnswers(columns, tuple(test for test, _ in run.expect.tests())))
        if run.rollout is not None and run.rollout.expect is not None:
            rows = frozenset(_first_tried(run, history, 2 * run.rollout.first + SPARE_ROWS))
            asked.append(AskedAnswers(columns, tuple(test for test, _ in run.rollout.expect.tests()), rows))
    return asked


def _first_tried(run: Run, history: TableHistory, most: int) -> Iterator[str]:
    """Yield the rows that calls of a run's kind tried first, of each column with each of its configurations."""
    named = None if run.rows is None else frozenset(each.text for each in run.rows)
    for portions in _tried(run.mode, run.revision, history).values():
        left = most
        for _, rows in sorted(portions, key=lambda portion: portion[0]):
            for row in rows:
                if left and (named is None or row in named):
                    yield row
                    left -= 1


def _tried(
    mode: Mode, revision: str | None, history: TableHistory
) -> dict[tuple[str, str | None], list[tuple[int, Iterable[str]]]]:
    """Return by column id and configuration the rows that each call tried, with its version."""
    checkpoint = history.checkpoint
    found: dict[tuple[str, str | None], list[tuple[int, Iterable[str]]]] = {}
    for kind, *rest in checkpoint.parts:
        if kind == "portions" and rest[1:3] == [mode.value, revision]:
            column, config = rest[0] or "", rest[3]
            for portion in checkpoint.portions(column, mode, revision, config):
                rows = (checkpoint.rows[number] for number in portion.rows)
                found.setdefault((column, config), []).append((portion.version, rows))
    for call in history.accepted():
        if call.mode is mode and call.revision == revision:
            columns = chain.from_iterable(((column, block.rows) for column in block.columns) for block in call.covered)
            for column, of_block in columns:
                found.setdefault((column, call.configs.get(column)), []).append((call.version, of_block))
    return found
