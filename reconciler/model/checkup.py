"""The result of `doctor`: settings and their origins, the way to each host, and each check with its finding."""

from dataclasses import dataclass
from enum import StrEnum

from reconciler.errors import ReconcilerError


class Finding(StrEnum):
    """How much a check's result matters."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing is wrong."""
    WRONG = "wrong"
    """Some command fails, or may do the wrong thing, until it is mended."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    topic: str
    """One word: `project`, `token`, `ledger` …"""
    finding: Finding
    message: str
    """Safe to print; holds no secret."""
    hint: str = ""
    """How to mend it, or what to do next."""
    code: str = ""
    """The code of the problem, which stands in the message too; empty if there is none."""

    @classmethod
    def of_error(cls, topic: str, error: ReconcilerError, hint: str = "") -> "Check":
        """Return what a failure says; `hint` stands in for one that it lacks."""
        code = error.code or ""
        return cls(topic, Finding.WRONG, f"{code} {error.message}".lstrip(), error.hint or hint, code)


@dataclass(frozen=True, slots=True)
class SettingOrigin:
    """A setting in force, and what set it."""

    name: str
    value: str
    """Without passwords; may hold text from outside."""
    source: str
    """A flag, a variable, a place in the project file, or `the default`."""


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a host."""

    host: str
    """With its port if that is not the usual one."""
    proxy: str
    """Its address without credentials and what names it; empty for none."""
    certificates: str
    """Which certificates are trusted and what names them; empty without TLS."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """Everything that was found."""

    checks: tuple[Check, ...]
    """In the order in which to mend what is wrong."""
    settings: tuple[SettingOrigin, ...] = ()
    """Empty if the project file cannot be read."""
    routes: tuple[Route, ...] = ()

    @property
    def wrong(self) -> tuple[Check, ...]:
        """Return the checks that found something to mend."""
        return tuple(check for check in self.checks if check.finding is Finding.WRONG)
