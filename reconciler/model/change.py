"""The effect of a project's change on its plan, as a reviewer reads it."""

from dataclasses import dataclass

from reconciler.model.plan import Totals
from reconciler.text.location import Location


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, in a reviewer's words."""

    address: str | None
    """`manifest` or `manifest/run`; None for the project as a whole."""
    text: str
    """One line, safe to print."""
    location: Location
    """Its location in the changed project, or in the base if it was removed."""


@dataclass(frozen=True, slots=True)
class ChangeImpact:
    """The effect of a project's change on its plan."""

    ref: str
    """The base of the comparison, as the user named it."""
    changes: tuple[Change, ...]
    caused: Totals
    """Calls that the change causes."""
    anyway: Totals
    """Calls that were due without the change."""
    dropped: Totals
    """Calls that would be due without the change but are not with it."""
