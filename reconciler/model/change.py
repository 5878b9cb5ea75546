"""What a change of a project does to its plan, as a reviewer reads it."""

from dataclasses import dataclass

from reconciler.model.plan import Totals
from reconciler.text.location import Location


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, as a reviewer would say it."""

    address: str | None
    """`manifest` or `manifest/run`; None: the project as a whole."""
    text: str
    """One line, safe to print."""
    location: Location
    """Where it stands here; where it stood, of what is gone."""


@dataclass(frozen=True, slots=True)
class ChangeImpact:
    """What a change of the project does to its plan."""

    ref: str
    """What was compared with, as the user named it."""
    changes: tuple[Change, ...]
    caused: Totals
    """Calls that the change causes."""
    anyway: Totals
    """Calls that were due without it."""
    dropped: Totals
    """Calls that would be due without it and are not with it."""
