"""Regular expressions from manifests: RE2 searches in time linear in the text, whatever the pattern.

Whoever may propose a manifest may propose a pattern, so what one costs is bounded: its length by the schema, the memory
of its program and of its search here, and all programs of a project together by `Patterns`.

The library is an extra, so that an install never compiles: musl and the newest CPython have no wheel of it, and markers
of dependencies cannot tell musl. There is no second engine for those: another one reads some patterns differently, and
which rows are bought must not depend on the machine.
"""

from collections.abc import Sequence
from typing import Any

from reconciler.text.codes import Code
from reconciler.text.phrases import quote

try:
    from re2 import Options
    from re2 import compile as compile_re2
    from re2 import error as Re2Error  # noqa: N812
except ImportError:  # pyre2, which backtracks where it likes, has the same name and no Options
    Options = None

MAX_MEMORY = 1024 * 1024
"""Bytes that one pattern may take; RE2 refuses a program that needs more and forgets the states of a search."""
MAX_STEPS = 500_000
"""Steps of all programs of one project; compiling as many takes about a quarter of a second. A usual pattern has 30."""
_LARGEST = 25_000
"""Steps that a refused program counts for: about where `MAX_MEMORY` ends."""


class PatternError(ValueError):
    """A pattern that cannot be searched for; its text says why and may be printed."""

    code = Code.INVALID_PATTERN
    hint = "See https://github.com/google/re2/wiki/Syntax."


class NoEngine(PatternError):
    """Patterns cannot be searched for in this environment."""

    code = Code.NO_PATTERN_LIBRARY
    hint = (
        "Run `pip install google-re2`, which the extra `[matches]` does. It has wheels for CPython 3.11 to 3.14 "
        "on macOS, Windows and Linux with glibc, not for Alpine: use e.g. the image python:3.14-slim."
    )

    def __init__(self) -> None:
        super().__init__("`matches` needs the library google-re2, which is not installed here")


class Pattern:
    """A compiled pattern."""

    def __init__(self, text: str) -> None:
        """Raises PatternError."""
        if Options is None:
            raise NoEngine
        options = Options()
        options.max_mem = MAX_MEMORY
        options.log_errors = False  # it would write to stderr behind our back
        options.never_capture = True
        try:
            # Bytes: for texts the library counts characters after each match.
            self._compiled: Any = compile_re2(text.encode("utf-8", "surrogatepass"), options)
        except Re2Error as error:
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

    def found_in(self, values: Sequence[Any]) -> bytes:
        """Return one byte per value: 1 if it is a text in which the pattern is found. Equal texts are searched once."""
        found = {text for text in {value for value in values if isinstance(value, str)} if self.is_in(text)}
        return bytes(isinstance(value, str) and value in found for value in values)


class Patterns:
    """The patterns of a project, each looked at once, and no more of them than can be compiled while a person waits."""

    def __init__(self) -> None:
        self._seen: dict[str, PatternError | None] = {}
        self._steps = 0

    def refusal(self, text: str) -> PatternError | None:
        """Return why a pattern cannot be used; None where it can."""
        if text not in self._seen:
            self._seen[text] = self._look(text)
        return self._seen[text]

    def _look(self, text: str) -> PatternError | None:
        if self._steps >= MAX_STEPS:
            return PatternError("the patterns of these manifests are too large in total")
        try:
            self._steps += Pattern(text).steps
        except NoEngine as error:
            return error
        except PatternError as error:
            self._steps += _LARGEST if "too large" in str(error) else 0
            return PatternError(f"this is not a valid regular expression (RE2): {error}")
        return None
