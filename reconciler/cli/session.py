"""The session of a command, and the line that names its project and ledger."""

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
    """Open the session that flags, environment and project file describe. Raises SettingsError, ManifestError.

    `limits_from` goes to `Session.hold_to`, with the `paths` of the command line.
    """
    session = Session(console.settings(**limits), os.environ, tell=console.info, on_progress=on_progress)
    if limits_from is not None:
        session.hold_to(limits_from, paths)
    return session


def say_where(console: Console, session: Session) -> None:
    """Write a first line that names the project and the ledger. Raises SettingsError."""
    if not console.is_terminal:
        return
    file = session.settings.project_file
    project = f"No project file in {Path.cwd()}" if file is None else f"Project {file.parent.resolve() / file.name}"
    missing = "" if session.ledger.is_there() else " (not there yet)"
    console.info(one_line(f"{project} · ledger {session.ledger.location}{missing}", limit=2000))
