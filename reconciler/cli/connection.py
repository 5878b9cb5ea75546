"""What a person is told of the project and its ledger, and the files that no answer may be written over."""

from contextlib import suppress
from pathlib import Path

from reconciler.cli.console import Console
from reconciler.errors import SettingsError
from reconciler.operations.connection import reading_ledger
from reconciler.settings.settings import Settings, ledger_address
from reconciler.text.sanitize import one_line


def say_where(console: Console, settings: Settings) -> None:
    """Name project and ledger to a person, in the first line. Raises SettingsError."""
    if not console.is_terminal:
        return
    file = settings.project_file
    project = f"No project file in {Path.cwd()}" if file is None else f"Project {file.parent.resolve() / file.name}"
    with reading_ledger(settings) as ledger:
        missing = "" if ledger.is_there() else " (not there yet)"
        console.info(one_line(f"{project} · ledger {ledger.location}{missing}", limit=2000))


def files_of(settings: Settings) -> tuple[Path, ...]:
    """Return the files that no answer may be written over: the project file, and a ledger that is one."""
    files = [] if settings.project_file is None else [settings.project_file]
    with suppress(SettingsError):  # a command that needs no ledger does not mind a setting that is not understood
        ledger = Path(ledger_address(settings).removeprefix("sqlite:///"))
        files += [ledger, *(ledger.with_name(ledger.name + ending) for ending in ("-wal", "-shm"))]
    return tuple(files)
