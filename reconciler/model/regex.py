"""Regular expressions from manifests: RE2 searches in time linear in the text, whatever the pattern.

Whoever may propose a manifest may propose a pattern, so what one costs is bounded: its length by the schema, the memory
of its program and of its search here, and all programs of a project together by `Patterns`.
"""

from typing import Any

import re2

from reconciler.text.phrases import quote

MAX_MEMORY = 1024 * 1024
"""Bytes that one pattern may take; RE2 refuses a program that needs more and forgets the states of a search."""
MAX_STEPS = 500_000
"""Steps of all programs of one project; compiling as many takes about a quarter of a second. A usual pattern has 30."""
_LARGEST = 25_000
"""Steps that a refused program counts for: about where `MAX_MEMORY` ends."""


class PatternError(ValueError):
    """A pattern that is none, or is too large; its text says why and may be printed."""


class Pattern:
    """A compiled pattern."""

    def __init__(self, text: str) -> None:
        """Raises PatternError."""
        options = re2.Options()
        options.max_mem = MAX_MEMORY
        options.log_errors = False  # it would write to stderr behind our back
        options.never_capture = True
        try:
            # Bytes: for texts the library counts characters after each match.
            self._compiled: Any = re2.compile(text.encode("utf-8", "surrogatepass"), options)
        except re2.error as error:
            reason = error.args[0] if error.args else b""
            said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise PatternError(quote(said)) from None

    @property
    def steps(self) -> int:
        """How large its program is."""
        return int(self._compiled.programsize)

    def is_in(self, text: str) -> bool:
        """Say whether the pattern is found anywhere in a text."""
        return self._compiled.search(text.encode("utf-8", "surrogatepass")) is not None


class Patterns:
    """The patterns of a project, each looked at once, and no more of them than can be compiled while a person waits."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}
        self._steps = 0

    def refusal(self, text: str) -> str:
        """Say why a pattern cannot be used; empty where it can."""
        if text not in self._seen:
            self._seen[text] = self._look(text)
        return self._seen[text]

    def _look(self, text: str) -> str:
        if self._steps >= MAX_STEPS:
            return "the patterns of these manifests are too large together"
        try:
            self._steps += Pattern(text).steps
        except PatternError as error:
            self._steps += _LARGEST if "too large" in str(error) else 0
            return f"this is no regular expression as RE2 understands them: {error}"
        return ""
