"""Manifests from files: decide fast, explain slowly.

Types decide in microseconds whether a document is sound; only one that is not goes through its JSON Schema, which finds
every fault but takes a hundred times as long. A test holds the two verdicts together. What is sound in a faulty
document still takes part in the rules across documents, so that one look shows every problem.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from reconciler import schema
from reconciler.claims import overlapping_claims
from reconciler.discovery import find_files
from reconciler.errors import ManifestError, SettingsError
from reconciler.manifest import DEFAULT_MAX_ATTEMPTS, Manifest, Mode, Named, Run
from reconciler.place import Problem
from reconciler.sources import Document, read_documents
from reconciler.wording import did_you_mean, one_of, path_text, quote

MANIFEST_KIND = "TableRun"
PROJECT_KIND = "Project"
_KEYS = {"apiVersion", "kind", "metadata", "spec"}

# The same words as in schemas/manifest.v1.json; tests/manifests/test_gate.py compares the verdicts.
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_URL = "https://app.extruct.ai/tables/"
_PLAIN = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*(?!\n)$"
_Name: TypeAlias = Annotated[str, Meta(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(?!\n)$")]
_LabelKey: TypeAlias = Annotated[str, Meta(max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(?!\n)$")]
_LabelValue: TypeAlias = Annotated[str, Meta(max_length=200, pattern=_PLAIN)]
_Table: TypeAlias = Annotated[
    str, Meta(pattern=rf"^({_UUID}|https://app\.extruct\.ai/tables/{_UUID}/?([?#]\S*)?)(?!\n)$")
]
_Column: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200, pattern=_PLAIN)]
_Row: TypeAlias = Annotated[str, Meta(pattern=rf"^{_UUID}(?!\n)$")]
_Columns: TypeAlias = Annotated[list[_Column], Meta(min_length=1)] | UnsetType
_Rows: TypeAlias = Annotated[list[_Row], Meta(min_length=1)] | UnsetType


class _New(Struct, tag="new", tag_field="mode", forbid_unknown_fields=True):
    name: _Name | UnsetType = UNSET
    columns: _Columns = UNSET
    rows: _Rows = UNSET


class _Failed(_New, tag="failed", tag_field="mode", forbid_unknown_fields=True):
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = DEFAULT_MAX_ATTEMPTS


class _All(_New, tag="all", tag_field="mode", forbid_unknown_fields=True, kw_only=True):
    revision: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[!-~]*(?!\n)$")]


_Run: TypeAlias = _New | _Failed | _All
_MODES = {_New: Mode.NEW, _Failed: Mode.FAILED, _All: Mode.ALL}


class _Metadata(Struct, forbid_unknown_fields=True):
    name: _Name
    labels: dict[_LabelKey, _LabelValue] = {}


class _Spec(Struct, forbid_unknown_fields=True):
    table: _Table
    runs: Annotated[list[_Run], Meta(min_length=1)]


class _TableRun(Struct, tag=MANIFEST_KIND, tag_field="kind", forbid_unknown_fields=True):
    api_version: Annotated[str, Meta(pattern=r"^reconciler/v1(?!\n)$")] = msgspec.field(name="apiVersion")
    metadata: _Metadata
    spec: _Spec


def load_manifests(paths: Sequence[Path]) -> tuple[Manifest, ...]:
    """Return the manifests in the files and folders `paths`, by name.

    Raises ManifestError with every problem of every file, and SettingsError for a path that is missing or where there
    is no manifest. Project files among them are passed over.
    """
    problems: set[Problem] = set()
    manifests: list[Manifest] = []
    for path in find_files(paths):
        try:
            documents = read_documents(path)
        except ManifestError as error:
            problems.update(error.problems)
            continue
        manifests += [_manifest(document, problems) for document in documents if not _is_project(document.value)]
    problems.update(_repeated_names(manifests))
    problems.update(overlapping_claims(manifest for manifest in manifests if manifest.table_id))
    if problems:
        raise ManifestError(sorted(problems))
    if not manifests:
        where = " and ".join(quote(path.as_posix()) for path in paths)
        raise SettingsError(f"there is no manifest in {where}", hint="`reconciler init` writes a first one.")
    return tuple(sorted(manifests, key=lambda manifest: manifest.name))


def _is_project(value: object) -> bool:
    return isinstance(value, dict) and value.get("kind") == PROJECT_KIND


def _convert(value: object, shape: Any) -> Any:
    """Return `value` in the shape, or None where it does not fit."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return None


def _manifest(document: Document, problems: set[Problem]) -> Manifest:
    """Return the manifest that a document states; of a faulty one what is sound, its name or table else empty."""
    whole: _TableRun | None = _convert(document.value, _TableRun)
    if whole:
        name, labels = whole.metadata.name, whole.metadata.labels
        table, runs = whole.spec.table, list(enumerate(whole.spec.runs))
    else:
        problems.update(_explain(document))
        metadata, spec = _mapping(document.value, "metadata"), _mapping(document.value, "spec")
        name, labels = _convert(metadata.get("name"), _Name) or "", {}
        table = _convert(spec.get("table"), _Table) or ""
        listed = spec.get("runs")
        tried = enumerate(listed if isinstance(listed, list) else ())
        runs = [(index, run) for index, value in tried if (run := _convert(value, _Run))]
    names = _run_names(document, runs, problems)
    return Manifest(
        name=name,
        labels=labels,
        table_id=table.removeprefix(_URL)[:36].lower(),
        runs=tuple(_run(document, index, run, names[index], problems) for index, run in runs),
        place=document.place(("metadata", "name")),
        table_place=document.place(("spec", "table")),
    )


def _mapping(value: object, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _explain(document: Document) -> Iterator[Problem]:
    """Yield everything that is wrong with a document that is no sound manifest."""
    value = document.value
    found = schema.problems("manifest", value)
    kind = value.get("kind") if isinstance(value, dict) else None
    if isinstance(value, dict) and not _KEYS & value.keys():
        hint = (
            "Every YAML file in a folder that is searched must be one; name the folder more closely, or move the file."
        )
        message = "this is not a manifest: it has neither an `apiVersion` nor a `kind`"
        yield Problem(document.place(()), message, hint)
        return
    if isinstance(kind, str) and kind != MANIFEST_KIND:
        guess = did_you_mean(kind, [MANIFEST_KIND, PROJECT_KIND])
        known = f"; it must be {one_of([MANIFEST_KIND, PROJECT_KIND])}"
        yield Problem(document.place(("kind",)), f"unknown kind {quote(kind)}{guess or known}")
        # What another kind holds is none of the manifest schema's business.
        is_meant = MANIFEST_KIND in guess
        found = [each for each in found if each.at == ("apiVersion",) or (is_meant and each.at != ("kind",))]
    elif not found:
        yield Problem(document.place(()), "this manifest is not understood; please report it as a fault of the program")
    for each in found:
        yield Problem(document.place(each.at, key=each.at_key), each.message, each.hint)


def _run_names(document: Document, runs: Iterable[tuple[int, _Run]], problems: set[Problem]) -> dict[int, str]:
    """Return each run's name by its position: its own, or the mode, numbered where that is taken."""
    names: dict[int, str] = {}
    taken: dict[str, int] = {}
    runs = list(runs)
    for index, run in runs:
        if run.name is UNSET:
            continue
        if run.name in taken:
            line = document.place(("spec", "runs", taken[run.name], "name")).line
            message = f"two runs of this manifest are called {quote(run.name)}; the other is in line {line}"
            problems.add(Problem(document.place(("spec", "runs", index, "name")), message))
        names[index] = run.name
        taken.setdefault(run.name, index)
    numbers = {mode: count(1) for mode in Mode}
    for index, run in runs:
        if index not in names:
            mode = _MODES[type(run)]
            candidates = (mode.value if number == 1 else f"{mode.value}-{number}" for number in numbers[mode])
            names[index] = next(name for name in candidates if name not in taken)
    return names


def _run(document: Document, index: int, run: _Run, name: str, problems: set[Problem]) -> Run:
    at = ("spec", "runs", index)
    return Run(
        name=name,
        mode=_MODES[type(run)],
        columns=None if run.columns is UNSET else _listed(document, (*at, "columns"), run.columns, problems),
        rows=None if run.rows is UNSET else _listed(document, (*at, "rows"), map(str.lower, run.rows), problems),
        max_attempts=run.max_attempts if isinstance(run, _Failed) else DEFAULT_MAX_ATTEMPTS,
        revision=run.revision if isinstance(run, _All) else None,
        place=document.place(at),
    )


def _listed(
    document: Document, at: tuple[str | int, ...], texts: Iterable[str], problems: set[Problem]
) -> tuple[Named, ...]:
    """Return the entries of a list with their places; an entry that is there twice is a problem."""
    named: dict[str, Named] = {}
    for index, text in enumerate(texts):
        place = document.place((*at, index))
        if text in named:
            problems.add(Problem(place, f"{quote(text)} is listed twice in {path_text(at)}"))
        named.setdefault(text, Named(text, place))
    return tuple(named.values())


def _repeated_names(manifests: Iterable[Manifest]) -> Iterator[Problem]:
    """Yield a problem for each manifest whose name another has already, naming both places."""
    first: dict[str, Manifest] = {}
    for manifest in manifests:
        other = first.setdefault(manifest.name, manifest)
        if manifest.name and other is not manifest:
            yield Problem(manifest.place, f"the name {quote(manifest.name)} is taken by the manifest at {other.place}")
