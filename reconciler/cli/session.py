"""The session of a command, and the lines that name its project, its settings and the cost of reading."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from reconciler import ReadCost, Session
from reconciler.cli.console import Console
from reconciler.model.reading import ReadProgress
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
        for setting, value, source in _settings(session):
            line = one_line(f"{setting}: {value}, from {source}", limit=2000)
            console.debug(line, setting=setting, value=value, source=source)
        return
    if not console.is_terminal:
        return
    file = _project_file(session)
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


def _settings(session: Session) -> Iterator[tuple[str, str, str]]:
    """Yield each setting with its value and its origin."""
    settings = session.settings
    file = _project_file(session)
    if file is None:
        yield "project", "none", f"{Path.cwd()}, where no project file was found, nor above"
    else:
        yield "project", str(file), settings.project_source or "the nearest folder that has one"
    yield "ledger", _ledger(session), settings.ledger_origin
    # An address with a password is refused, but only once the API is asked.
    yield "API", settings.api_url.rpartition("@")[2], settings.url_origin
    network = session.network()
    proxy, trust = network.proxy_for(settings.api_url), network.trust
    yield "API's proxy", proxy.url if proxy else "none", proxy.source if proxy else "the default, or NO_PROXY"
    yield "certificates", trust.path or "the system's", trust.source or "the default"
    limits = session.limits()
    for name, limit in (("max_credits", limits.max_credits), ("max_cells", limits.max_cells)):
        if limit is not None:
            yield name, f"{limit.value:f}", limit.set_at


def _project_file(session: Session) -> Path | None:
    file = session.settings.project_file
    return None if file is None else file.parent.resolve() / file.name


def _ledger(session: Session) -> str:
    return session.ledger.location + ("" if session.ledger.is_there() else " (not there yet)")
