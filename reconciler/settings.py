"""Flags, environment, project file, defaults → Settings, strongest first. The token is read here and kept nowhere."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from reconciler.budget import Limit, Limits
from reconciler.errors import SettingsError
from reconciler.guard import Floor
from reconciler.limiting import limits_in
from reconciler.project import DEFAULT_PROJECT, Project, load_project

PROJECT_FILE = "reconciler.yaml"
DEFAULT_URL = "https://api.extruct.ai"
DEFAULT_LEDGER = ".reconciler/ledger.db"
SHORTEST_SNAPSHOT_KEY = 32
LIMIT_VARIABLES = ("RECONCILER_MAX_CREDITS", "RECONCILER_MAX_CELLS", "RECONCILER_LIMITS")


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line said; None where it said nothing."""

    project: str | None = None
    api_url: str | None = None
    ledger: str | None = None
    max_credits: str | None = None
    max_cells: str | None = None
    limits: str | None = None
    """More limits, as `spec.limits` of the project file would hold them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a command needs to know about its surroundings, but for the token."""

    project: Project
    root: Path
    """The folder that relative paths of the project file start from."""
    api_url: str
    ledger: str
    """A path or URL; may hold a password, so it is never printed."""
    limits: Limits
    project_file: Path | None = None
    """None where there is none."""
    floor: Floor | None = None
    """Limits of a base that hold besides (`--limits-from`)."""


def load_settings(flags: Flags, environment: Mapping[str, str]) -> Settings:
    """Find the project file and settle every setting. Raises SettingsError, or ManifestError for the project file."""
    path = _project_path(flags, environment)
    project = DEFAULT_PROJECT if path is None else load_project(path)
    root = Path() if path is None else path.parent
    ledger = flags.ledger or environment.get("RECONCILER_LEDGER") or project.ledger
    return Settings(
        project=project,
        root=root,
        api_url=flags.api_url or environment.get("EXTRUCT_API_URL") or project.api.url,
        ledger=_rooted(ledger, root) if ledger == project.ledger and ledger else ledger or str(root / DEFAULT_LEDGER),
        limits=_limits(flags, environment).over(project.limits),
        project_file=path,
    )


def _limits(flags: Flags, environment: Mapping[str, str]) -> Limits:
    """Return the limits that flags and variables set, flags stronger."""
    flagged = Limits(
        max_credits=_limit("--max-credits", flags.max_credits), max_cells=_limit("--max-cells", flags.max_cells)
    )
    variables = {name: environment.get(name) or None for name in LIMIT_VARIABLES}
    set_in_variables = Limits(
        max_credits=_limit("RECONCILER_MAX_CREDITS", variables["RECONCILER_MAX_CREDITS"]),
        max_cells=_limit("RECONCILER_MAX_CELLS", variables["RECONCILER_MAX_CELLS"]),
    )
    return (
        flagged.over(limits_in(flags.limits or "", "--limits"))
        .over(set_in_variables)
        .over(limits_in(variables["RECONCILER_LIMITS"] or "", "RECONCILER_LIMITS"))
    )


def manifest_paths(settings: Settings, named: Sequence[str]) -> list[Path]:
    """Return where manifests are: as named, else as the project file says, else `manifests/`, else the root folder."""
    if named:
        return [Path(name) for name in named]
    if settings.project.manifests:
        return [settings.root / name for name in settings.project.manifests]
    folder = settings.root / "manifests"
    return [folder if folder.is_dir() else settings.root]


def read_token(environment: Mapping[str, str]) -> str:
    """Return the token from `EXTRUCT_API_TOKEN`, or from the file that `EXTRUCT_API_TOKEN_FILE` names."""
    token = environment.get("EXTRUCT_API_TOKEN", "").strip()
    if token:
        return token
    file = environment.get("EXTRUCT_API_TOKEN_FILE", "")
    if not file:
        raise SettingsError("there is no API token", hint="Set EXTRUCT_API_TOKEN, or EXTRUCT_API_TOKEN_FILE to a file.")
    try:
        token = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SettingsError(f"the token file cannot be read: {reason}", hint="See EXTRUCT_API_TOKEN_FILE.") from None
    if not token:
        raise SettingsError("the token file is empty", hint="See EXTRUCT_API_TOKEN_FILE.")
    return token


def read_snapshot_key(environment: Mapping[str, str]) -> bytes | None:
    """Return the key that snapshots are signed with from `RECONCILER_SNAPSHOT_KEY`; None where it is not set."""
    key = environment.get("RECONCILER_SNAPSHOT_KEY", "").strip().encode("utf-8", "surrogateescape")
    if key and len(key) < SHORTEST_SNAPSHOT_KEY:
        message = f"RECONCILER_SNAPSHOT_KEY is shorter than {SHORTEST_SNAPSHOT_KEY} characters"
        raise SettingsError(message, hint="Make one with `openssl rand -hex 32`.")
    return key or None


def _project_path(flags: Flags, environment: Mapping[str, str]) -> Path | None:
    named = flags.project or environment.get("RECONCILER_PROJECT")
    if named:
        path = Path(named)
        if path.is_dir():
            path /= PROJECT_FILE
        if not path.is_file():
            source = "--project" if flags.project else "RECONCILER_PROJECT"
            raise SettingsError(f"there is no project file at {os.fspath(path)!r}", hint=f"See {source}.")
        return path
    path = Path(PROJECT_FILE)
    return path if path.is_file() else None


def _rooted(ledger: str, root: Path) -> str:
    """A relative ledger path in a project file starts at the project file's folder."""
    return ledger if "://" in ledger else os.fspath(root / ledger)


def _limit(source: str, text: str | None) -> Limit | None:
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise SettingsError(f"{source} must be a number, 0 or more")
    return Limit(value, source)
