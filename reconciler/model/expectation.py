"""The answers that a run expects: which share may be empty or match a pattern, and how many sources each needs.

A test looks at one cell that is done. Its answer is the `answer` of its value, or a bare value; empty is null or "".
A pattern is looked for in text, as `where` does; sources count for answers that are not empty.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from reconciler.text.digest import short_digest
from reconciler.text.numbers import json_number

MOST_ROWS = 3
"""Rows named for one test."""


class Rule(StrEnum):
    """A key of `expect`."""

    MAX_EMPTY = "max_empty"
    MAX_MATCH = "max_match"
    MIN_SOURCES = "min_sources"


@dataclass(frozen=True, slots=True)
class AnswerTest:
    """A question about one answer; one that meets it is not as expected."""

    rule: Rule
    operand: str | int | None = None
    """`max_match`: the pattern. `min_sources`: the number."""

    def key(self, column: str) -> str:
        """Return the name under which a snapshot stores, beside its conditions, which answers of a column meet it."""
        return short_digest(["answers", column, self.rule.value, self.operand])


@dataclass(frozen=True, slots=True)
class Expectation:
    """An `expect`. A share is of the cells that are done, 0 to 1; one that is just reached passes."""

    max_empty: Decimal | None = None
    max_match: tuple[tuple[str, Decimal], ...] = ()
    """Patterns, each with its share, as written."""
    min_sources: int | None = None

    def tests(self) -> Iterator[tuple[AnswerTest, Decimal]]:
        """Yield each test with the share of answers that may meet it."""
        if self.max_empty is not None:
            yield AnswerTest(Rule.MAX_EMPTY), self.max_empty
        for pattern, share in self.max_match:
            yield AnswerTest(Rule.MAX_MATCH, pattern), share
        if self.min_sources is not None:
            yield AnswerTest(Rule.MIN_SOURCES, self.min_sources), Decimal(0)

    def content(self) -> dict[str, Any]:
        """Return it as numbers."""
        content: dict[str, Any] = {}
        if self.max_empty is not None:
            content["max_empty"] = str(self.max_empty)
        if self.max_match:
            content["max_match"] = {pattern: str(share) for pattern, share in self.max_match}
        if self.min_sources is not None:
            content["min_sources"] = self.min_sources
        return content


@dataclass(frozen=True, slots=True)
class Judgement:
    """How many answers met one test."""

    test: AnswerTest
    allowed: Decimal
    """The share that may meet it."""
    answers: int
    """Cells that are done."""
    found: int
    """Those that meet the test."""
    rows: tuple[str, ...] = ()
    """The ids of the first rows with such an answer, `MOST_ROWS` at most; never a value."""

    @property
    def is_breached(self) -> bool:
        """True if more of the answers than allowed met it."""
        return self.found > self.allowed * self.answers

    def content(self) -> dict[str, Any]:
        """Return it as documents hold it."""
        return {
            "rule": self.test.rule.value,
            "operand": self.test.operand,
            "allowed": json_number(self.allowed),
            "answers": self.answers,
            "found": self.found,
            "rows": list(self.rows),
        }

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Return what `content` was called on; its texts may be anything."""
        test = AnswerTest(Rule(content["rule"]), content["operand"])
        allowed = Decimal(str(content["allowed"]))
        return cls(test, allowed, content["answers"], content["found"], tuple(content["rows"]))


@dataclass(frozen=True, slots=True)
class Unmet:
    """A run whose answers are not as its `expect` says, or could not be judged."""

    address: str
    table_id: str
    judgements: tuple[Judgement, ...] = ()
    """Those that are breached."""
    problem: str = ""
    """Why they could not be judged; safe to print."""
    table_name: str = ""
    """As `Call.table_name`."""
