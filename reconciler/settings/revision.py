"""The project as it is elsewhere: at a git commit, or in a folder. The user's own files are only ever read."""

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
from reconciler.settings.git_commit import Blob, Commit, find_commit
from reconciler.settings.project_file import DEFAULT_PROJECT, Project, project_of
from reconciler.settings.settings import Settings, manifest_paths, project_file_in
from reconciler.text.location import Diagnostic, Location
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line


@dataclass(frozen=True, slots=True)
class Revision:
    """What a project says at another place or time."""

    name: str
    """As the user named it, safe to print."""
    project: Project | None
    """None where there is no project file."""
    value: object
    """The project file as it was written; None where there is none."""
    manifests: tuple[Manifest, ...]
    """Their places name files as they would be named here."""
    problems: tuple[Diagnostic, ...] = ()
    """Why nobody can tell the manifests; there are none then."""


def read_revision(where: str, settings: Settings, named: Sequence[str]) -> Revision:
    """Read the project file and the manifests at a git ref, or in a folder that is laid out like the project.

    `named` are the paths of the command line. Raises SettingsError for what is neither a ref nor a folder, and
    ManifestError for a project file that is wrong; manifests that are wrong are told in the result.
    """
    if Path(where).is_dir():
        if not where.startswith((".", "/")) and find_commit(where, settings.root) is not None:
            hint = f"Write `./{one_line(where)}` for the folder, or `refs/heads/{one_line(where)}` for the branch."
            raise SettingsError(f"{quote(where)} is both a folder and a commit", hint=hint)
        return _read(one_line(where), _folder(Path(where), settings, named), settings)
    commit = find_commit(where, settings.root)
    if commit is None:
        hint = "In CI, fetch it first: `git fetch --depth=1 origin BRANCH`, then name `FETCH_HEAD` or its id."
        raise SettingsError(f"{quote(where)} is neither a folder nor a commit that git knows here", hint=hint)
    with tempfile.TemporaryDirectory(prefix="reconciler-") as scratch:
        return _read(one_line(where), _checkout(commit, Path(scratch), settings, named, one_line(where)), settings)


def with_base_limits(where: str | None, settings: Settings, named: Sequence[str]) -> Settings:
    """Return settings that hold a plan to the limits at a git ref or in a folder besides its own; None: to no other.

    Where the API and the ledger are, and how long a call is waited for, is as it is there, unless a flag or the
    environment says so: a change can neither choose who gets the token, nor forget what was bought. Raises
    as `read_revision`, and LimitExceeded where there is no project file to hold limits.
    """
    if where is None:
        return settings
    found = read_revision(where, settings, named)
    if found.project is None:
        message = (
            f"refused before anything was sent: there is no project file at {found.name}, so no limit can be checked"
        )
        hint = "Merge a project file with the limits first, or plan without --limits-from."
        raise LimitExceeded(message, hint=hint)
    unknown = f"the manifests at {found.name} are not valid" if found.problems else ""
    prices = (found.project.prices, settings.project.prices)
    here, there = settings.project, found.project
    api = replace(here.api, url=there.api.url, spend=there.api.spend)
    return replace(
        settings,
        project=replace(here, ledger=there.ledger, api=api),
        floor=BaseLimits(there.limits, prices, found.manifests, unknown),
    )


@dataclass(frozen=True, slots=True)
class _Checkout:
    """The files of a revision, in a folder."""

    root: Path
    """The folder that stands for the project's."""
    project_file: Path
    shown_project: str
    """The project file as messages name it."""
    named: tuple[str, ...]
    """The paths of the command line, there."""
    rename: Callable[[str], str]
    """A file there, or a message that names one → as one would name it here."""
    fetch: Callable[[Sequence[Path]], list[Diagnostic]]
    """Bring the manifests at these paths into the folder; gives what stands in the way."""

    def location(self, location: Location) -> Location:
        """Return the place as it would be named here."""
        return replace(location, path=self.rename(location.path))

    def problem(self, problem: Diagnostic) -> Diagnostic:
        """Return a problem as it would be told here."""
        return replace(problem, location=self.location(problem.location), message=self.rename(problem.message))

    def manifest(self, manifest: Manifest) -> Manifest:
        """Return a manifest with all its places renamed."""
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
    project, value = None, None
    if tree.project_file.is_file():
        documents = parse(tree.project_file.read_bytes(), tree.shown_project)
        project, value = project_of(documents, tree.shown_project, settings.named_url), documents[0].value
    paths = manifest_paths(replace(settings, project=project or DEFAULT_PROJECT, root=tree.root), tree.named)
    problems = tree.fetch(paths)
    manifests: tuple[Manifest, ...] = ()
    try:
        if not problems:
            manifests = _manifests([path for path in paths if path.exists()], tree.project_file)
    except ManifestError as error:
        problems = [tree.problem(problem) for problem in error.problems]
    except SettingsError as error:
        problems = [Diagnostic(Location(name, 1, 1), error.message)]
    return Revision(name, project, value, tuple(map(tree.manifest, manifests)), tuple(problems))


def _manifests(paths: Sequence[Path], project_file: Path) -> tuple[Manifest, ...]:
    """Return the manifests at paths that exist; none where there are none, which here is no mistake."""
    files = find_files(paths)
    try:
        return load_manifests(files, project_file)
    except SettingsError:  # no file, or nothing but the project file
        return ()


def _folder(folder: Path, settings: Settings, named: Sequence[str]) -> _Checkout:
    """A folder laid out like the project's: the paths of the command line are looked for at the same place in it."""
    file = _project_file(folder, settings)
    return _Checkout(
        root=folder,
        project_file=file,
        shown_project=one_line(file.as_posix()),
        named=tuple(os.fspath(folder / os.path.relpath(path, settings.root)) for path in named),
        rename=lambda text: text,
        fetch=lambda _: [],
    )


def _project_names(settings: Settings) -> tuple[str, ...]:
    """Return what the project file may be called elsewhere: as here, where it was named and is called otherwise."""
    name = PROJECT_FILES[0] if settings.project_file is None else settings.project_file.name
    return PROJECT_FILES if name in PROJECT_FILES else (name,)


def _project_file(root: Path, settings: Settings) -> Path:
    """Return where the project file of a folder like the project's is, or would be."""
    names = _project_names(settings)
    return (project_file_in(root) if names == PROJECT_FILES else None) or root / names[0]


def _checkout(commit: Commit, scratch: Path, settings: Settings, named: Sequence[str], name: str) -> _Checkout:
    """A commit's files in a scratch folder, each where it stands in the repository."""
    scratch = scratch.resolve()
    here = os.path.relpath(Path.cwd().resolve(), commit.top)

    def there(path: Path) -> Path:
        """Where a path of this machine stands in the scratch folder; above it if it is outside the repository."""
        return Path(os.path.normpath(scratch / os.path.relpath(path.parent.resolve() / path.name, commit.top)))

    def rename(text: str) -> str:
        """Name the scratch folder's files as from the working directory."""
        if not text.startswith(f"{scratch}/"):
            return text.replace(f"{scratch}/", "")
        return os.path.relpath(text.removeprefix(f"{scratch}/"), here)

    def fetch(paths: Sequence[Path]) -> list[Diagnostic]:
        wanted = [os.path.relpath(path, scratch) for path in paths]
        for path in wanted:
            if path.startswith(".."):
                message = "this is outside the repository, so nobody can tell what it was"
                return [Diagnostic(Location(one_line(path), 1, 1), message)]
        return _write(commit, commit.below(wanted), scratch, rename)

    root = there(settings.root)
    root.mkdir(parents=True, exist_ok=True)
    home = there(settings.root / PROJECT_FILES[0]).parent
    problems = fetch([home / name for name in _project_names(settings)])
    if problems:
        raise ManifestError(problems)
    file = _project_file(home, settings)
    return _Checkout(
        root=root,
        project_file=file,
        shown_project=one_line(f"{name}:{os.path.relpath(file, scratch)}"),
        named=tuple(os.fspath(there(Path(path))) for path in named),
        rename=rename,
        fetch=fetch,
    )


def _write(commit: Commit, blobs: Sequence[Blob], scratch: Path, rename: Callable[[str], str]) -> list[Diagnostic]:
    """Write files into the scratch folder; a link, and a path that no honest commit holds, is a problem."""
    problems = []
    for blob in blobs:
        steps = blob.path.split("/")
        if blob.is_link or any(step in ("", ".", "..") or "\\" in step for step in steps):
            what = "a link, which is not followed in a commit" if blob.is_link else "not a path"
            location = Location(one_line(rename(f"{scratch}/{blob.path}")), 1, 1)
            problems.append(Diagnostic(location, f"this is {what}, so nobody can tell what it says"))
    if not problems:
        for path, content in commit.read(blobs).items():
            target = scratch / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return problems
