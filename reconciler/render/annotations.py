"""Problems as GitHub's workflow commands: annotations on the lines of a pull request.

GitHub shows ten of each kind per step and silently drops the rest, so the rest is counted here. Every line begins with
a command of ours, so that no message can contain a command of its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

MOST = 10
"""Annotations of one kind; GitHub's limit per step."""

_MESSAGE_LENGTH = 2000
_PATH_LENGTH = 1000
_SET_AT = re.compile(r"(?P<path>[^()]+):(?P<line>[1-9][0-9]{0,8})(?: \(.*\))?")


class Level(StrEnum):
    """The severity, worst first."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Annotation:
    """A message and the line it refers to."""

    level: Level
    title: str
    message: str
    location: Location | None = None


def of_problems(problems: Sequence[Diagnostic]) -> list[Annotation]:
    """Return an error for each problem, its code and kind as the title."""
    return [
        Annotation(
            Level.ERROR,
            f"{each.code} {each.code.summary}",
            " ".join(part for part in (each.message, each.hint) if part),
            each.location,
        )
        for each in problems
    ]


def of_plan(content: Mapping[str, Any], headline: str) -> list[Annotation]:
    """Return a plan file's problems and doubts as annotations; `headline` sums the plan up."""
    found = of_problems(problems_of(content))
    for each in content["violations"]:
        message = f"{each['message']}; set in {each['set_at']}"
        if each.get("contact"):
            message += f"; to be raised by {each['contact']}"
        found.append(Annotation(Level.ERROR, f"Limit {each['rule']}", message, _set_at(each["set_at"])))
    for call in content["in_doubt"]:
        message = f"{call['address']}: call {call['id'][:8]} may have been paid for; end it with `ledger resolve`"
        found.append(Annotation(Level.WARNING, "Call in doubt", message))
    return [*found, Annotation(Level.NOTICE, "Plan", headline)]


def problems_of(content: Mapping[str, Any]) -> list[Diagnostic]:
    """Return a plan file's diagnostics."""
    return [
        Diagnostic(
            Location(each["path"], each["line"], each["column"]),
            Code.of(each.get("code")),
            each["message"],
            each["hint"],
        )
        for each in content["diagnostics"]
    ]


def _set_at(text: str) -> Location | None:
    match = _SET_AT.fullmatch(text)
    return None if match is None else Location(match["path"], int(match["line"]), 1)


def workflow_commands(annotations: Sequence[Annotation]) -> str:
    """Return the lines to print, errors first, at most `MOST` of each kind, with a count of the rest."""
    shown: list[Annotation] = []
    rest: list[Annotation] = []
    for level in (Level.ERROR, Level.WARNING):
        found = [each for each in annotations if each.level is level]
        shown += found[:MOST]
        if found[MOST:]:
            text = f"{counted(len(found) - MOST, f'more {level.value}')} not shown here"
            rest.append(Annotation(Level.NOTICE, "Not everything is shown", text))
    notices = [each for each in annotations if each.level is Level.NOTICE]
    return "\n".join(_command(each) for each in [*shown, *(notices + rest)[-MOST:]])


def relocated(annotations: Sequence[Annotation], prefix: str) -> list[Annotation]:
    """Return the annotations with paths from the repository's root; `prefix` is the working directory, from there."""
    return [
        each if each.location is None else replace(each, location=moved(each.location, prefix)) for each in annotations
    ]


def moved(location: Location, prefix: str) -> Location:
    """Return a location whose relative path has `prefix` in front; `<stdin>` is not a path."""
    if not prefix or location.path.startswith(("/", "<")):
        return location
    return replace(location, path=f"{prefix}/{location.path}")


def _command(of: Annotation) -> str:
    fields = []
    if of.location is not None:
        path = one_line(of.location.path, _PATH_LENGTH)
        fields += [f"file={_property(path)}", f"line={of.location.line}", f"col={of.location.column}"]
    fields.append(f"title={_property(one_line(of.title))}")
    return f"::{of.level.value} {','.join(fields)}::{_data(one_line(of.message, _MESSAGE_LENGTH))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
