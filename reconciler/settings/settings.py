"""Flags, environment, project file, defaults → Settings, in order of precedence. The token is read here, never kept."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from reconciler.errors import ManifestError, SettingsError
from reconciler.manifests.find_files import PROJECT_FILES, find_files
from reconciler.manifests.open_file import open_file, refuse_outside, refuse_special, refuse_stray_link
from reconciler.model.limits import BaseLimits, Limit, Limits
from reconciler.settings.limits_reader import limits_in
from reconciler.settings.project_file import DEFAULT_PROJECT, Project, read_project
from reconciler.text.addresses import LEDGER_HINT, STREAM, is_loopback, is_server, ledger_fault, ledger_path
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic
from reconciler.text.sanitize import one_line

DEFAULT_URL = "https://api.extruct.ai"
DEFAULT_LEDGER = ".reconciler/ledger.db"
SHORTEST_SNAPSHOT_KEY = 32
LONGEST_TOKEN = 65_536
"""Bytes that are read of a token's file: a device would never end."""
_ALMOST = re.compile(r"\.?reconciler\.(ya?ml|json)", re.IGNORECASE)
LIMIT_VARIABLES = ("RECONCILER_MAX_CREDITS", "RECONCILER_MAX_CELLS", "RECONCILER_LIMITS")


@dataclass(frozen=True, slots=True)
class Flags:
    """The options of the command line; None for those not given."""

    project: str | None = None
    api_url: str | None = None
    ledger: str | None = None
    max_credits: str | None = None
    max_cells: str | None = None
    limits: str | None = None
    """More limits, written like `spec.limits` of the project file."""
    ca_bundle: str | None = None
    """A file or folder of certificates."""
    notify_hosts: str | None = None
    """`host[:port]`, separated by commas."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a command needs to know about its surroundings, except the token."""

    project: Project
    root: Path
    """The project's folder: relative paths in the project file, and of the ledger, start here."""
    limits: Limits
    project_file: Path | None = None
    """None if there is none."""
    project_source: str = ""
    """The flag or variable that names it; empty if it was looked for."""
    named_url: str | None = None
    """The API's address from a flag or the environment; None if neither sets it."""
    url_source: str = ""
    """The flag or variable that sets it."""
    named_ledger: str | None = None
    """The ledger from a flag or the environment; may hold a password, so never printed. None if neither sets it."""
    ledger_source: str = ""
    """The flag or variable that sets it."""
    base: BaseLimits | None = None
    """Limits of a base that apply in addition (`--limits-from`)."""
    ca_bundle: str | None = None
    """The certificates that a flag names; None if it names none."""
    notify_hosts: frozenset[str] = frozenset()
    """The only `host[:port]` that a webhook may be on, in lower case; never from a file."""
    base_certificates: bytes | None = None
    """The certificates of `api.ca_bundle` at a base (`--limits-from`); None: the file is read from the disk."""

    @property
    def api_url(self) -> str:
        """The API's base URL."""
        return self.named_url or self.project.api.url

    @property
    def url_origin(self) -> str:
        """The source of the API's address, for messages."""
        if self.named_url is not None:
            return self.url_source
        return "the default" if self.api_url == DEFAULT_URL else "spec.api.url"

    @property
    def ledger_origin(self) -> str:
        """The source of the ledger's location, for messages."""
        if self.named_ledger is not None:
            return self.ledger_source
        return "the default" if self.project.ledger is None else "spec.ledger"


def load_settings(flags: Flags, environment: Mapping[str, str]) -> Settings:
    """Find the project file and resolve every setting. Raises SettingsError, or ManifestError for the project file."""
    settings, problems = settings_and_problems(flags, environment)
    if problems:
        raise ManifestError(problems)
    return settings


def settings_and_problems(flags: Flags, environment: Mapping[str, str]) -> tuple[Settings, tuple[Diagnostic, ...]]:
    """Return the settings, and every problem of the project file and of limits that are written as YAML.

    Of a project file with problems only its `manifests` are used. Raises SettingsError.
    """
    path, project_source = _project_path(flags, environment)
    named_url = flags.api_url or environment.get("EXTRUCT_API_URL") or None
    project, problems = (DEFAULT_PROJECT, ()) if path is None else read_project(path, named_url)
    try:
        limits = _limits(flags, environment).over(project.limits)
    except ManifestError as error:
        limits, problems = project.limits, (*problems, *error.problems)
    in_flag = flags.ledger is not None
    settings = Settings(
        project=project,
        root=Path() if path is None else path.parent,
        limits=limits,
        project_file=path,
        project_source=project_source,
        named_url=named_url,
        url_source="--api-url" if flags.api_url else "EXTRUCT_API_URL",
        named_ledger=flags.ledger if in_flag else environment.get("RECONCILER_LEDGER"),
        ledger_source="--ledger" if in_flag else "RECONCILER_LEDGER",
        ca_bundle=flags.ca_bundle,
        notify_hosts=_hosts(flags.notify_hosts or environment.get("RECONCILER_NOTIFY_HOSTS", "")),
    )
    return settings, problems


def _hosts(text: str) -> frozenset[str]:
    return frozenset(host for each in text.split(",") if (host := each.strip().lower()))


def ledger_address(settings: Settings) -> str:
    """Return the path or URL of the ledger; a relative path starts at the project's folder.

    Called only if a ledger is needed. Raises SettingsError, which never shows the setting, as it may hold a password.
    """
    text = settings.project.ledger if settings.named_ledger is None else settings.named_ledger
    if text is None:
        _refuse_second_ledger(settings)
        return os.fspath(settings.root / DEFAULT_LEDGER)
    fault = ledger_fault(text, is_windows=os.name == "nt")
    if fault:
        unset = "" if text else f" Or unset {settings.ledger_source} to use the project's ledger."
        raise SettingsError(
            f"{settings.ledger_source} is not understood: {fault}",
            hint=f"{LEDGER_HINT}{unset}",
            code=Code.UNUSABLE_LEDGER,
        )
    if is_server(text):
        return text
    try:
        return os.fspath(settings.root / Path(ledger_path(text)).expanduser())
    except RuntimeError:
        message = f"{settings.ledger_source or 'spec.ledger'} begins with `~`, but that user has no home folder"
        raise SettingsError(message, hint=LEDGER_HINT, code=Code.UNUSABLE_LEDGER) from None


def ledger_files(settings: Settings) -> tuple[Path, ...]:
    """Return the files of a ledger that is one; none if the setting is not understood, which some commands allow."""
    with suppress(SettingsError):
        ledger = Path(ledger_address(settings).removeprefix("sqlite:///"))
        return (ledger, *(ledger.with_name(ledger.name + ending) for ending in ("-wal", "-shm")))
    return ()


def _refuse_second_ledger(settings: Settings) -> None:
    """Without a project file, refuse a new ledger here if a folder above has one: that may know what was bought."""
    if settings.project_file is not None or (settings.root / DEFAULT_LEDGER).exists():
        return
    for folder in _folders_up(Path.cwd()):
        if (folder / DEFAULT_LEDGER).exists():
            raise _second_ledger("there is no project file here", folder)


def _second_ledger(why: str, folder: Path) -> SettingsError:
    where = _shown(folder)
    return SettingsError(
        f"{why}, but a ledger in {where!r}, which may have a record of what was bought",
        hint=f"Work there (`reconciler -C {where}`), or make it a project: `reconciler init {where}`.",
        code=Code.OTHER_PROJECT,
    )


def check_owner(settings: Settings, files: Iterable[Path]) -> None:
    """Refuse manifests in `files` that belong to another project than the one in use. Raises SettingsError.

    The wrong ledger would not know what was bought, and all of it would be bought again. A file belongs to the project
    that would be found from its folder; a link belongs to its target's project, or if that has none, to that of its own
    folder.
    """
    here = settings.project_file
    where = dict.fromkeys((_absolute(file.parent), Path(os.path.realpath(file)).parent) for file in files)
    for named, real in where:
        there = _nearest_project(real) or _nearest_project(named)
        if there is None:
            _refuse_unowned(settings, named, real)
        # A second file in the project's own folder was named by the user: that is one project with two configurations.
        elif here is None or os.path.realpath(there.parent) != os.path.realpath(here.parent):
            used = "no project file is in use" if here is None else f"the one in use is {_shown(here)}"
            raise SettingsError(
                f"the manifests in {_shown(named)} belong to the project of {_shown(there)}, but {used}: "
                "that project's limits, and its ledger with what was bought, would not be used",
                hint=f"Work there (`reconciler -C {_shown(there.parent)}`), or use `--project {_shown(there)}`.",
                code=Code.OTHER_PROJECT,
            )


def _refuse_unowned(settings: Settings, named: Path, real: Path) -> None:
    """Refuse manifests without a project if another ledger may know them, unless the user named the one in use."""
    if settings.named_ledger is not None:
        return
    for above in dict.fromkeys((*_folders_up(real), *_folders_up(named))):
        ledger = above / DEFAULT_LEDGER
        if ledger.exists() and os.path.realpath(ledger_address(settings)) != os.path.realpath(ledger):
            raise _second_ledger(f"there is no project file for the manifests in {_shown(named)}", above)
    if settings.project_file is None and not real.is_relative_to(Path.cwd()):
        raise SettingsError(
            f"the manifests in {_shown(real)} are outside the working directory, and no project file says which "
            "ledger has what was bought for them",
            hint=f"Work there (`reconciler -C {_shown(real)}`), make it a project (`reconciler init "
            f"{_shown(real)}`), or name the ledger with --ledger or RECONCILER_LEDGER.",
            code=Code.OTHER_PROJECT,
        )


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))


def _shown(path: Path) -> str:
    return one_line(os.path.relpath(path), limit=1000)


def check_recipient(settings: Settings) -> None:
    """Refuse to send the environment's token to an address that only a project file names. Raises SettingsError."""
    url = settings.api_url
    if settings.named_url or is_loopback(url) or url.rstrip("/").lower() == DEFAULT_URL:
        return
    file = os.fspath(settings.project_file or "the project file")
    raise SettingsError(
        f"{file} (spec.api.url) names a custom address, and the token is not sent to an address that only a file names",
        hint="If that address is right, confirm it: set EXTRUCT_API_URL to it, or use --api-url.",
        code=Code.UNCONFIRMED_ADDRESS,
    )


def _limits(flags: Flags, environment: Mapping[str, str]) -> Limits:
    """Return the limits that flags and variables set; flags override variables."""
    flagged = Limits(
        max_credits=_limit("--max-credits", flags.max_credits),
        max_cells=_limit("--max-cells", flags.max_cells, whole=True),
    )
    variables = {name: environment.get(name) or None for name in LIMIT_VARIABLES}
    set_in_variables = Limits(
        max_credits=_limit("RECONCILER_MAX_CREDITS", variables["RECONCILER_MAX_CREDITS"]),
        max_cells=_limit("RECONCILER_MAX_CELLS", variables["RECONCILER_MAX_CELLS"], whole=True),
    )
    return (
        flagged.over(limits_in(flags.limits or "", "--limits"))
        .over(set_in_variables)
        .over(limits_in(variables["RECONCILER_LIMITS"] or "", "RECONCILER_LIMITS"))
    )


def manifests_in_use(settings: Settings, named: Sequence[str]) -> list[Path]:
    """Return `manifest_paths` for a command that uses the ledger. Raises what `check_owner` raises."""
    check_owner(settings, find_files([Path(name) for name in named if name != STREAM]))
    return manifest_paths(settings, named)


def manifest_paths(settings: Settings, named: Sequence[str]) -> list[Path]:
    """Return the paths of manifests: those named, else the project file's, else `manifests/` next to it.

    Standard input is read if a person names it, not if a file does.
    """
    if named:
        return [Path(name) for name in named]
    listed = [settings.root / name for name in settings.project.manifests or ("manifests",)]
    for path in listed:
        refuse_outside(path, settings.root)
    return [path.absolute() if path == Path(STREAM) else path for path in listed]


def read_token(environment: Mapping[str, str]) -> str:
    """Return the token from `EXTRUCT_API_TOKEN`, or from the file that `EXTRUCT_API_TOKEN_FILE` names."""
    token = environment.get("EXTRUCT_API_TOKEN", "").strip()
    if token:
        return token
    file = environment.get("EXTRUCT_API_TOKEN_FILE", "")
    if not file:
        raise SettingsError(
            "there is no API token",
            hint="Set EXTRUCT_API_TOKEN, or EXTRUCT_API_TOKEN_FILE to a file with it.",
            code=Code.NO_TOKEN,
        )
    try:
        with open_file(file) as opened:
            token = opened.read(LONGEST_TOKEN).decode().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SettingsError(
            f"the token file cannot be read: {reason}", hint="See EXTRUCT_API_TOKEN_FILE.", code=Code.NO_TOKEN
        ) from None
    if not token:
        raise SettingsError("the token file is empty", hint="See EXTRUCT_API_TOKEN_FILE.", code=Code.NO_TOKEN)
    return token


def read_snapshot_key(environment: Mapping[str, str]) -> bytes | None:
    """Return the key that signs snapshots, from `RECONCILER_SNAPSHOT_KEY`; None if it is not set."""
    key = environment.get("RECONCILER_SNAPSHOT_KEY", "").strip().encode("utf-8", "surrogateescape")
    if key and len(key) < SHORTEST_SNAPSHOT_KEY:
        message = f"RECONCILER_SNAPSHOT_KEY is shorter than {SHORTEST_SNAPSHOT_KEY} characters"
        raise SettingsError(message, hint="Make one with `openssl rand -hex 32`.")
    return key or None


def project_file_in(folder: Path) -> Path | None:
    """Return a folder's project file; None if it has none. Raises SettingsError for two, and for a misspelled one.

    A file with almost the right name was meant as one: ignoring it would silently drop its ledger and its limits.
    """
    try:
        with os.scandir(folder) as entries:
            there = sorted(entry.name for entry in entries)
    except OSError:  # a folder that may be entered but not listed
        there = [name for name in PROJECT_FILES if os.path.lexists(folder / name)]
    for name in there:
        if name not in PROJECT_FILES and _ALMOST.fullmatch(name) and not (folder / name).is_dir():
            path = _shown(folder / name)
            raise SettingsError(
                f"{path} is ignored: a project file must be called {PROJECT_FILES[0]}",
                hint=f"Rename it to {PROJECT_FILES[0]}, or to something else if it is not a project file.",
                code=Code.NO_PROJECT_FILE,
            )
    found = [folder / name for name in PROJECT_FILES if name in there]
    if len(found) > 1:
        names = " and ".join(PROJECT_FILES)
        message = f"there are two project files in {os.fspath(folder)!r}, {names}, and only one can be used"
        raise SettingsError(message, hint="Keep one of them.", code=Code.NO_PROJECT_FILE)
    for each in found:
        refuse_stray_link(each)
        refuse_special(each)
    return found[0] if found else None


def _project_path(flags: Flags, environment: Mapping[str, str]) -> tuple[Path | None, str]:
    """Return the project file and what names it, or else the nearest one, from the working directory up."""
    source = "RECONCILER_PROJECT" if flags.project is None else "--project"
    named = environment.get(source) if flags.project is None else flags.project
    if named is not None:
        path = Path(named)
        if path.is_dir():
            path = project_file_in(path) or path / PROJECT_FILES[0]
        if not named or not path.is_file():
            what = f"there is no project file at {os.fspath(path)!r}" if named else f"{source} is empty"
            raise SettingsError(
                what, hint=f"Check {source}; without it, the nearest project file is used.", code=Code.NO_PROJECT_FILE
            )
        refuse_stray_link(path)
        return path, source
    found = _nearest_project(Path.cwd())
    return None if found is None else Path(os.path.relpath(found)), ""


def _nearest_project(start: Path) -> Path | None:
    return next(filter(None, map(project_file_in, _folders_up(start))), None)


def _folders_up(start: Path) -> Iterator[Path]:
    """Yield an absolute folder and its parents, up to the root of the git work tree or, outside one, of the disk."""
    for folder in (start, *start.parents):
        yield folder
        if os.path.lexists(folder / ".git"):
            return


def _limit(source: str, text: str | None, *, whole: bool = False) -> Limit | None:
    """Return a limit from a flag or variable; cells are counted in `whole` numbers. Raises SettingsError."""
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise SettingsError(f"{source} must be a number, 0 or more", hint="Write it in digits, such as 500.")
    if whole and value != value.to_integral_value():
        raise SettingsError(f"{source} must be a whole number", hint="Cells are counted: write 2, say, and not 1.5.")
    return Limit(value, source)
