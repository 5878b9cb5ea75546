"""Regular expressions from manifests, run by RE2, which searches in linear time whatever the pattern.

Anyone who can propose a manifest can propose a pattern, so its cost is bounded: its length by the schema, the memory of
its program and its search here, and the total of a project's programs by `Patterns`.
"""

from typing import Any

import re2

from reconciler.text.phrases import quote

MAX_MEMORY = 1024 * 1024
"""Bytes that one pattern may use; RE2 refuses a larger program, and drops cached search states to stay within it."""
MAX_STEPS = 500_000
"""Steps of all programs of one project; compiling this many takes about 250 ms. A typical pattern has 30."""
_LARGEST = 25_000
"""Steps counted for a refused program: about as many as fit into `MAX_MEMORY`."""


class PatternError(ValueError):
    """The pattern is invalid or too large; the message is safe to print."""


class Pattern:
    """A compiled pattern."""

    def __init__(self, text: str) -> None:
        """Raises PatternError."""
        options = re2.Options()
        options.max_mem = MAX_MEMORY
        options.log_errors = False  # otherwise it writes to stderr
        options.never_capture = True
        try:
            # Bytes, because for strings the library counts characters after each match.
            self._compiled: Any = re2.compile(text.encode("utf-8", "surrogatepass"), options)
        except re2.error as error:
            reason = error.args[0] if error.args else b""
            said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise PatternError(quote(said)) from None

    @property
    def steps(self) -> int:
        """The size of its program."""
        return int(self._compiled.programsize)

    def is_in(self, text: str) -> bool:
        """Return whether the pattern matches anywhere in a text."""
        return self._compiled.search(text.encode("utf-8", "surrogatepass")) is not None


class Patterns:
    """The patterns of a project: each is checked once, and their total size is bounded so that compiling stays fast."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}
        self._steps = 0

    def refusal(self, text: str) -> str:
        """Return why a pattern cannot be used; empty if it can."""
        if text not in self._seen:
            self._seen[text] = self._look(text)
        return self._seen[text]

    def _look(self, text: str) -> str:
        if self._steps >= MAX_STEPS:
            return "the patterns of these manifests are too large in total"
        try:
            self._steps += Pattern(text).steps
        except PatternError as error:
            self._steps += _LARGEST if "too large" in str(error) else 0
            return f"this is not a valid regular expression (RE2): {error}"
        return ""
