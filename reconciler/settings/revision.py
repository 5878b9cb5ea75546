"""The project at another git commit or in another folder. The user's own files are only read."""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.errors import LimitExceeded, ManifestError, SettingsError
from reconciler.manifests.find_files import PROJECT_FILES, find_files
from reconciler.manifests.loader import load_manifests
from reconciler.manifests.yaml_reader import parse
from reconciler.model.condition import relocated
from reconciler.model.limits import BaseLimits
from reconciler.model.manifest import ChildOf, Manifest, NameAt, Run, Selection, Source
from reconciler.settings.git_commit import Blob, Commit, find_commit, unknown_commit
from reconciler.settings.project_file import DEFAULT_PROJECT, Project, project_of
from reconciler.settings.settings import DEFAULT_LEDGER, Settings, manifest_paths, project_file_in
from reconciler.text.addresses import STREAM, is_server, ledger_path
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line


@dataclass(frozen=True, slots=True)
class Revision:
    """A project's settings and manifests at another commit or in another folder."""

    name: str
    """As the user named it, safe to print."""
    project: Project | None
    """None if there is no project file."""
    value: object
    """The parsed project file; None if there is none."""
    manifests: tuple[Manifest, ...]
    """Their locations name files as seen from the working directory."""
    certificates: bytes | None = None
    """The content of the file of `api.ca_bundle` there; None if it is not part of the project, but of the machine."""
    problems: tuple[Diagnostic, ...] = ()
    """Why the manifests could not be read; `manifests` is empty then."""
    place: Path = Path()
    """The folder here that corresponds to the project's folder there; a change may have moved its project file."""


def read_revision(where: str, settings: Settings, named: Sequence[str]) -> Revision:
    """Read the project file and the manifests at a git ref, or in a folder with the project's layout.

    `named` are the paths of the command line; standard input is at no commit, and left out. Raises SettingsError if
    `where` is neither a ref nor a folder, and ManifestError if the project file is wrong; problems in manifests are
    returned in the result.
    """
    named = [path for path in named if path != STREAM]
    if Path(where).is_dir():
        if not where.startswith((".", "/")) and find_commit(where, settings.root) is not None:
            hint = f"Write `./{one_line(where)}` for the folder, or `refs/heads/{one_line(where)}` for the branch."
            raise SettingsError(f"{quote(where)} is both a folder and a commit", hint=hint, code=Code.GIT)
        return _read(one_line(where), _folder(Path(where), settings, named), settings)
    commit = find_commit(where, settings.root)
    if commit is None:
        raise unknown_commit(where, settings.root)
    with tempfile.TemporaryDirectory(prefix="reconciler-") as scratch:
        return _read(one_line(where), _checkout(commit, Path(scratch), settings, named, one_line(where)), settings)


def with_base_limits(where: str | None, settings: Settings, named: Sequence[str]) -> Settings:
    """Return settings that also enforce the limits of a git ref or folder (`where`; None for no others).

    The addresses of the API, its proxy and the ledger, the certificates that are trusted (the content of their file,
    too), the timing of calls and the webhooks are taken from there too, unless a flag or the environment sets them: a
    change can neither choose who receives the token, nor hide what was bought. A commit without a project file, as
    before a project's first pull request, has no limits to enforce. Raises what `read_revision` raises, and
    LimitExceeded for a folder without a project file: it is more likely the wrong one.
    """
    if where is None:
        return settings
    found = read_revision(where, settings, named)
    if found.project is None and not Path(where).is_dir():
        return settings
    if found.project is None:
        message = (
            f"refused before anything was sent: there is no project file at {found.name}, so limits cannot be checked"
        )
        hint = "Name the folder of the other project's file, or a commit."
        raise LimitExceeded(message, hint=hint)
    unknown = f"the manifests at {found.name} are not valid" if found.problems else ""
    prices = (found.project.prices, settings.project.prices)
    here, there = settings.project, found.project
    api = replace(
        here.api, url=there.api.url, spend=there.api.spend, proxy=there.api.proxy, ca_bundle=there.api.ca_bundle
    )
    # At whose midnight a variable's budgets turn, unless a variable says it, too.
    own, in_file = settings.limits.timezone, here.limits.timezone
    zone = there.limits.timezone if own == in_file else own
    return replace(
        settings,
        base_certificates=found.certificates,
        project=replace(here, ledger=_ledger(there, found.place, settings), api=api, notify=there.notify),
        base=BaseLimits(there.limits, prices, found.manifests, unknown, zone),
    )


def _ledger(there: Project, place: Path, settings: Settings) -> str | None:
    """Return a base's ledger; a path stays relative to the base's project file, wherever a change moves it to."""
    text, folder = there.ledger or DEFAULT_LEDGER, place.resolve()
    if folder == settings.root.resolve() or is_server(text):
        return there.ledger
    return os.fspath(folder / Path(ledger_path(text)).expanduser())


@dataclass(frozen=True, slots=True)
class _Checkout:
    """The files of a revision, in a folder."""

    root: Path
    """The folder that takes the place of the project's."""
    place: Path
    """The same folder here."""
    project_file: Path
    shown_project: str
    """The project file as messages name it."""
    named: tuple[str, ...]
    """The paths of the command line in this checkout."""
    rename: Callable[[str], str]
    """Rewrites a path there, or a message that contains one, as seen from the working directory."""
    fetch: Callable[[Sequence[Path]], list[Diagnostic]]
    """Copies the manifests at these paths into the folder; returns the problems."""

    def location(self, location: Location) -> Location:
        """Return the location as seen from the working directory."""
        return replace(location, path=self.rename(location.path))

    def problem(self, problem: Diagnostic) -> Diagnostic:
        """Return a problem with its location and message as seen from the working directory."""
        return replace(problem, location=self.location(problem.location), message=self.rename(problem.message))

    def manifest(self, manifest: Manifest) -> Manifest:
        """Return a manifest with all its locations renamed."""
        return replace(
            manifest,
            runs=tuple(self._run(run) for run in manifest.runs),
            location=self.location(manifest.location),
            table_place=self.location(manifest.table_place),
            source=self._source(manifest.source),
        )

    def _source(self, source: Source | None) -> Source | None:
        if not isinstance(source, ChildOf):
            return source
        parent, column = (
            replace(each, location=self.location(each.location)) for each in (source.manifest, source.column)
        )
        return ChildOf(parent, column)

    def _run(self, run: Run) -> Run:
        return replace(
            run,
            columns=self._named(run.columns),
            rows=self._named(run.rows),
            selection=None if run.selection is None else self._selection(run.selection),
            location=self.location(run.location),
        )

    def _selection(self, selection: Selection) -> Selection:
        where = None if selection.where is None else relocated(selection.where, self.location)
        return replace(selection, where=where, location=self.location(selection.location))

    def _named(self, named: tuple[NameAt, ...] | None) -> tuple[NameAt, ...] | None:
        return None if named is None else tuple(replace(each, location=self.location(each.location)) for each in named)


def _read(name: str, tree: _Checkout, settings: Settings) -> Revision:
    project, value, certificates = None, None, None
    if tree.project_file.is_file():
        documents = parse(tree.project_file.read_bytes(), tree.shown_project)
        project, value = project_of(documents, tree.shown_project, settings.named_url), documents[0].value
        certificates = _certificates(project, tree)
    paths = manifest_paths(replace(settings, project=project or DEFAULT_PROJECT, root=tree.root), tree.named)
    problems = tree.fetch(paths)
    manifests: tuple[Manifest, ...] = ()
    try:
        if not problems:
            manifests = _manifests([path for path in paths if path.exists()], tree.project_file)
    except ManifestError as error:
        problems = [tree.problem(problem) for problem in error.problems]
    except SettingsError as error:
        problems = [Diagnostic(Location(name, 1, 1), error.code or Code.UNREADABLE_REVISION, error.message)]
    return Revision(
        name, project, value, tuple(map(tree.manifest, manifests)), certificates, tuple(problems), tree.place
    )


def _certificates(project: Project, tree: _Checkout) -> bytes | None:
    """Return the content of `api.ca_bundle`, which a change could replace as well. Raises SettingsError.

    A path that leads out of the project names a file of the machine, which no change can reach.
    """
    name = project.api.ca_bundle
    if name is None or Path(name).is_absolute():
        return None
    path = tree.root / name
    problems = tree.fetch([path])
    if problems or not path.is_file():
        message = f"spec.api.ca_bundle of {tree.shown_project} does not name a file there"
        hint = "A folder cannot be compared with its base: join its certificates in one PEM file, or use SSL_CERT_DIR."
        raise SettingsError(message, hint=hint, code=Code.NETWORK_SETTING)
    return path.read_bytes()


def _manifests(paths: Sequence[Path], project_file: Path) -> tuple[Manifest, ...]:
    """Return the manifests at `paths`; a project without manifests is not an error here."""
    files = find_files(paths)
    try:
        return load_manifests(files, project_file)
    except SettingsError:  # no file at all, or only the project file
        return ()


def _folder(folder: Path, settings: Settings, named: Sequence[str]) -> _Checkout:
    """A folder with the project's layout: the paths of the command line are looked up in the same places in it."""
    file = _project_file(folder, settings)
    return _Checkout(
        root=folder,
        place=settings.root,
        project_file=file,
        shown_project=one_line(file.as_posix()),
        named=tuple(os.fspath(folder / os.path.relpath(path, settings.root)) for path in named),
        rename=lambda text: text,
        fetch=lambda _: [],
    )


def _project_names(settings: Settings) -> tuple[str, ...]:
    """Return the names a project file may have elsewhere: a custom name if one was given here, else the usual two."""
    name = PROJECT_FILES[0] if settings.project_file is None else settings.project_file.name
    return PROJECT_FILES if name in PROJECT_FILES else (name,)


def _project_file(root: Path, settings: Settings) -> Path:
    """Return the path of the project file in a folder with the project's layout, whether or not it exists."""
    names = _project_names(settings)
    return (project_file_in(root) if names == PROJECT_FILES else None) or root / names[0]


def _checkout(commit: Commit, scratch: Path, settings: Settings, named: Sequence[str], name: str) -> _Checkout:
    """A commit's files in a scratch folder, each at its path in the repository."""
    scratch = scratch.resolve()
    here = os.path.relpath(Path.cwd().resolve(), commit.top)

    def there(path: Path) -> Path:
        """Return the path in the scratch folder for a path here; above it if that is outside the repository."""
        return Path(os.path.normpath(scratch / os.path.relpath(path.parent.resolve() / path.name, commit.top)))

    def rename(text: str) -> str:
        """Name the scratch folder's files as seen from the working directory."""
        if not text.startswith(f"{scratch}/"):
            return text.replace(f"{scratch}/", "")
        return os.path.relpath(text.removeprefix(f"{scratch}/"), here)

    def fetch(paths: Sequence[Path]) -> list[Diagnostic]:
        wanted = [os.path.relpath(path, scratch) for path in paths]
        for path in wanted:
            if path.startswith(".."):
                message = "this is outside the repository, so its state at that commit is unknown"
                return [Diagnostic(Location(one_line(path), 1, 1), Code.UNREADABLE_REVISION, message)]
        return _write(commit, commit.below(wanted), scratch, rename)

    home = there(settings.root / PROJECT_FILES[0]).parent
    if not settings.project_source:
        home = _nearest_home(commit, scratch, scratch / here) or home
    home.mkdir(parents=True, exist_ok=True)
    problems = fetch([home / name for name in _project_names(settings)])
    if problems:
        raise ManifestError(problems)
    file = _project_file(home, settings)
    return _Checkout(
        root=home,
        place=commit.top / home.relative_to(scratch),
        project_file=file,
        shown_project=one_line(f"{name}:{os.path.relpath(file, scratch)}"),
        named=tuple(os.fspath(there(Path(path))) for path in named),
        rename=rename,
        fetch=fetch,
    )


def _nearest_home(commit: Commit, scratch: Path, start: Path) -> Path | None:
    """Return the folder of the project file that would be found at a commit, from a folder up.

    A change may have moved the one that is found here, or put another one before it.
    """
    for folder in (start, *start.parents):
        if folder.is_relative_to(scratch) and any(
            os.path.relpath(folder / name, scratch) in commit.blobs for name in PROJECT_FILES
        ):
            return folder
    return None


def _write(commit: Commit, blobs: Sequence[Blob], scratch: Path, rename: Callable[[str], str]) -> list[Diagnostic]:
    """Write files into the scratch folder; a link, or a path that a normal commit never has, is a problem."""
    problems = []
    for blob in blobs:
        steps = blob.path.split("/")
        if blob.is_link or any(step in ("", ".", "..") or "\\" in step for step in steps):
            what = "a link, which is not followed in a commit" if blob.is_link else "not a path"
            location = Location(one_line(rename(f"{scratch}/{blob.path}")), 1, 1)
            problems.append(Diagnostic(location, Code.UNREADABLE_REVISION, f"this is {what}, so it cannot be read"))
    if not problems:
        for path, content in commit.read(blobs).items():
            target = scratch / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return problems
