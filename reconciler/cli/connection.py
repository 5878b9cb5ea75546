"""What a person is told of the project and its ledger, and the files that no answer may be written over."""

from pathlib import Path

from reconciler.cli.console import Console
from reconciler.operations.connection import reading_ledger
from reconciler.settings.settings import Settings, ledger_address
from reconciler.text.sanitize import clean


def say_where(console: Console, settings: Settings) -> None:
    """Name project and ledger to a person, in the first line. Raises SettingsError."""
    if not console.is_terminal:
        return
    file = settings.project_file
    project = f"No project file in {Path.cwd()}" if file is None else f"Project {file.parent.resolve() / file.name}"
    with reading_ledger(settings) as ledger:
        missing = "" if ledger.is_there() else " (not there yet)"
        console.info(clean(f"{project} · ledger {ledger.location}{missing}", limit=2000))


def files_of(settings: Settings) -> tuple[Path, ...]:
    """Return the files that no answer may be written over: the project file, and a ledger that is one."""
    ledger = Path(ledger_address(settings).removeprefix("sqlite:///"))
    files = [ledger, *(ledger.with_name(ledger.name + ending) for ending in ("-wal", "-shm"))]
    return (*files, settings.project_file) if settings.project_file is not None else tuple(files)
