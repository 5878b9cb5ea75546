"""The limits of a base (`--limits-from`): those that a change cannot raise for itself."""

from collections.abc import Sequence

from reconciler.operations.connection import Connections
from reconciler.settings.revision import with_base_limits
from reconciler.text.sanitize import one_line


def hold_to(revision: str, named: Sequence[str], connections: Connections) -> None:
    """Have a session's settings from a git ref or a folder too. Raises SettingsError, ManifestError, LimitExceeded."""
    connections.close()
    connections.settings = with_base_limits(revision, connections.settings, named)
    if connections.settings.base is None:
        connections.tell(f"{one_line(revision)} has no project file, so only the limits of this one hold.")
