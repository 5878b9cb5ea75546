"""The session of a command, and the lines that name its project, its settings and the cost of reading."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from reconciler import ReadCost, Session
from reconciler.cli.console import Console
from reconciler.model.reading import ReadProgress
from reconciler.operations.setting_origins import project_file_of, setting_origins
from reconciler.text.numbers import counted
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
    """Write a first line with project and ledger; with `--verbose`, every setting. Raises SettingsError."""
    if console.flags["verbose"]:
        origins = setting_origins(session.settings, session.limits(), session.network(), _ledger(session))
        for each in origins:
            line = one_line(f"{each.name}: {each.value}, from {each.source}", limit=2000)
            console.debug(line, setting=each.name, value=each.value, source=each.source)
        return
    if not console.is_terminal:
        return
    file = project_file_of(session.settings)
    project = f"No project file in {Path.cwd()}" if file is None else f"Project {file}"
    console.info(one_line(f"{project} · ledger {_ledger(session)}", limit=2000))


def say_cost(console: Console, cost: ReadCost) -> None:
    """Say what the reading cost, with `--verbose`."""
    console.debug(
        f"Read {cost.received_bytes:,} bytes with {counted(cost.requests, 'GET')} over "
        f"{counted(cost.connections, 'connection')}: {cost.waiting_seconds:.1f} s waiting for answers, "
        f"{cost.decoding_seconds:.1f} s decoding, {cost.held_seconds:.1f} s because the API asked for fewer requests.",
        **asdict(cost),
    )


def _ledger(session: Session) -> str:
    return session.ledger.location + ("" if session.ledger.is_there() else " (not there yet)")
