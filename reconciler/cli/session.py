"""The session that a command works with, and the line that tells a person which project and ledger it is of."""

import os
from collections.abc import Callable
from pathlib import Path

from reconciler import Session
from reconciler.cli.console import Console
from reconciler.model.reading import ReadProgress
from reconciler.text.sanitize import one_line


def open_session(
    console: Console,
    *,
    limits_from: str | None = None,
    paths: tuple[str, ...] = (),
    on_progress: Callable[[ReadProgress], None] | None = None,
    **limits: str | None,
) -> Session:
    """Open the session that flags, environment and project file say. Raises SettingsError, ManifestError.

    `limits_from` is what `Session.hold_to` takes, with the `paths` of the command line.
    """
    session = Session(console.settings(**limits), os.environ, tell=console.info, on_progress=on_progress)
    if limits_from is not None:
        session.hold_to(limits_from, paths)
    return session


def say_where(console: Console, session: Session) -> None:
    """Name project and ledger to a person, in the first line. Raises SettingsError."""
    if not console.is_terminal:
        return
    file = session.settings.project_file
    project = f"No project file in {Path.cwd()}" if file is None else f"Project {file.parent.resolve() / file.name}"
    missing = "" if session.ledger.is_there() else " (not there yet)"
    console.info(one_line(f"{project} · ledger {session.ledger.location}{missing}", limit=2000))
