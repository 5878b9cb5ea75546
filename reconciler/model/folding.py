"""Fold calls into a checkpoint: what was known of each cell, and what the calls add. Planning needs no more of them.

Only calls that are accepted and settled are folded: nothing that is said of them later changes what planning needs.
They may be folded in any order.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf

from reconciler.model.checkpoint import (
    INPUTS,
    VERSIONS,
    Begun,
    Checkpoint,
    Name,
    Portion,
    Purchase,
    pack_bytes,
    pack_counts,
    pack_portions,
    pack_values,
)
from reconciler.model.compact import RowIndex
from reconciler.model.history import Block, CallState, PastCall
from reconciler.model.input_cells import WIDTH
from reconciler.model.manifest import Mode
from reconciler.model.runs import merged, pack_runs


def fold(checkpoint: Checkpoint, calls: Iterable[tuple[PastCall, Begun]]) -> Checkpoint:
    """Return the checkpoint with calls folded into it that it does not hold. Their rows must be listed in it."""
    folding = _Folding(checkpoint)
    for call, begun in calls:
        assert call.settled
        assert call.state is CallState.ACCEPTED
        folding.add(call, begun)
    return folding.result()


class FoldedCells:
    """Tells whether a call may be one of those that a checkpoint holds: a version alone does not say whose it is."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._rows = RowIndex(checkpoint.rows)
        self._firsts: dict[tuple[str, Mode, str | None, str | None], array[int]] = {}

    def include(
        self, of: tuple[Mode, str | None], version: int, covered: Iterable[Block], configs: Mapping[str, str]
    ) -> bool:
        """Say whether each cell was bought in this mode and at this revision, by the call of this version or before."""
        for block in covered:
            rows = self._rows.positions_of(block.rows)
            for column in block.columns:
                key = (column, *of, configs.get(column))
                firsts = self._firsts.get(key)
                if firsts is None:
                    total = len(self._checkpoint.rows)
                    firsts = self._firsts[key] = _firsts(self._checkpoint.portions(*key), total)
                if not all(row >= 0 and 0 < firsts[row] <= version for row in rows):
                    return False
        return True


def _firsts(portions: Iterable[Portion], total: int) -> "array[int]":
    """Return for each row the version of the call that was the first to try it; 0: none was."""
    firsts = array("Q", bytes(8 * total))
    for portion in portions:
        for row in portion.rows:
            if not firsts[row] or portion.version < firsts[row]:
                firsts[row] = portion.version
    return firsts


class _Column:
    """A column's share of the checkpoint while calls are added to it."""

    def __init__(self, checkpoint: Checkpoint, column: str) -> None:
        self._checkpoint = checkpoint
        self._name = column
        self._bought = checkpoint.bought(column)
        self._last, self._purchases = checkpoint.last(column)
        self._tries: dict[tuple[Mode, str], array[int]] = {}
        self._firsts: dict[tuple[Mode, str | None, str | None], array[int]] = {}
        self._portions: dict[tuple[Mode, str | None, str | None], list[Portion]] = {}
        ages = [inf, *(checkpoint.age_of(purchase.begun) for purchase in self._purchases)]
        self._ages = array("d", [ages[at] for at in self._last])
        self._latest, _ = checkpoint.latest(column)
        self._versions = [0, *(purchase.version for purchase in self._purchases)]
        """By place, as `_latest` names them."""
        self._inputs = bytearray(checkpoint.inputs(column))

    def add(self, call: PastCall, begun: Begun, rows: Sequence[int], total: int) -> None:
        """Add a call that covered the column in `rows` of a table of which `total` rows are listed."""
        config = call.configs.get(self._name)
        for counts in (self._bought, self._last, self._latest):
            counts.extend([0] * (total - len(counts)))
        self._ages.extend([inf] * (total - len(self._ages)))
        for row in rows:
            self._bought[row] += 1
        self._purchases.append(Purchase(begun, config, call.version))
        self._versions.append(call.version)
        place, age = len(self._purchases), self._checkpoint.age_of(begun)
        self._inputs.extend(bytes(WIDTH * total - len(self._inputs)))
        inputs = call.inputs_of(self._name, len(rows))
        for number, row in enumerate(rows):
            if age < self._ages[row]:
                self._ages[row] = age
                self._last[row] = place
            if call.version >= self._versions[self._latest[row]]:
                self._latest[row] = place
                self._inputs[row * WIDTH : (row + 1) * WIDTH] = inputs[number * WIDTH : (number + 1) * WIDTH]
        if call.mode is not Mode.ALL and config is not None:
            self._add_tries(call.mode, config, rows, total)
        self._add_portion((call.mode, call.revision, config), call.version, rows, total)

    def _add_tries(self, mode: Mode, config: str, rows: Sequence[int], total: int) -> None:
        counts = self._tries.get((mode, config))
        if counts is None:
            counts = self._tries[mode, config] = self._checkpoint.tries(self._name, mode, config)
        counts.extend([0] * (total - len(counts)))
        for row in rows:
            counts[row] += 1

    def _add_portion(
        self, key: tuple[Mode, str | None, str | None], version: int, rows: Sequence[int], total: int
    ) -> None:
        firsts = self._firsts.get(key)
        if firsts is None:
            self._portions[key] = list(self._checkpoint.portions(self._name, *key))
            firsts = self._firsts[key] = _firsts(self._portions[key], total)
        firsts.extend([0] * (total - len(firsts)))
        fresh = [row for row in rows if not firsts[row] or version < firsts[row]]
        for row in fresh:
            firsts[row] = version
        if fresh:
            self._portions[key].append(Portion(version, fresh))

    def parts(self) -> Iterable[tuple[Name, bytes]]:
        """Yield its parts, packed."""
        used = sorted({*self._last, *self._latest} - {0})
        places = {0: 0} | {old: new for new, old in enumerate(used, 1)}
        yield ("bought", self._name), pack_counts(self._bought)
        yield ("last", self._name), pack_counts(array("I", [places[at] for at in self._last]))
        if self._latest != self._last:
            yield ("latest", self._name), pack_counts(array("I", [places[at] for at in self._latest]))
        kept = [self._purchases[at - 1] for at in used]
        entries = [[*_values(purchase.begun), purchase.config, purchase.version] for purchase in kept]
        yield ("purchases", self._name), pack_values(entries)
        if any(self._inputs):
            yield (INPUTS, self._name), pack_bytes(bytes(self._inputs))
        for (mode, config), counts in self._tries.items():
            yield ("tries", self._name, mode.value, config), pack_counts(counts)
        for (mode, *rest), portions in self._portions.items():
            portions.sort(key=lambda portion: portion.version)
            yield ("portions", self._name, mode.value, *rest), pack_portions(portions)


class _Folding:
    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._rows = RowIndex(checkpoint.rows)
        self._columns: dict[str, _Column] = {}
        self._versions = checkpoint.versions()

    def add(self, call: PastCall, begun: Begun) -> None:
        self._versions.append((call.version, 1))
        for block in call.covered:
            numbers = self._rows.positions_of(block.rows)
            assert -1 not in numbers
            for column in block.columns:
                if column not in self._columns:
                    self._columns[column] = _Column(self._checkpoint, column)
                self._columns[column].add(call, begun, numbers, len(self._rows))

    def result(self) -> Checkpoint:
        parts = dict(self._checkpoint.parts)
        parts[VERSIONS] = pack_runs(merged(self._versions))
        for name, column in self._columns.items():
            for kind in ("latest", INPUTS):
                parts.pop((kind, name), None)
            parts.update(column.parts())
        return replace(self._checkpoint, parts=parts)


def _values(begun: Begun) -> tuple[float, str | None, float | None]:
    return begun.begun_at, begun.boot, begun.booted_at
