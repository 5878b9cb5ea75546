"""Loads manifests from files: validates fast, explains slowly.

Types decide in microseconds whether a document is valid; only an invalid one goes through its JSON Schema, which finds
every fault but takes a hundred times as long. A test compares the two verdicts. The valid parts of a faulty document
still take part in the rules across documents, so that one run reports every problem.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from msgspec import UNSET

from reconciler.errors import ManifestError, SettingsError
from reconciler.manifests import json_schema
from reconciler.manifests.dependencies import dependency_problems
from reconciler.manifests.document import Document
from reconciler.manifests.find_files import PROJECT_FILES, find_files
from reconciler.manifests.open_file import shown_path
from reconciler.manifests.ownership import overlapping_claims
from reconciler.manifests.run_loader import decimal_or_none, listed_once, make_run
from reconciler.manifests.shapes import (
    MANIFEST_KIND,
    MODES,
    FoundShape,
    GrowthShape,
    Name,
    RunShape,
    Table,
    TableRunShape,
    TaggedShape,
    fitted,
)
from reconciler.manifests.yaml_reader import read_documents
from reconciler.model.manifest import ByName, ByTag, ChildOf, GrowthAllowance, Manifest, Mode, NameAt, Source
from reconciler.model.regex import Patterns
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic
from reconciler.text.phrases import did_you_mean, one_of, quote

PROJECT_KIND = "Project"
_KEYS = {"apiVersion", "kind", "metadata", "spec"}
_OF_A_PLAN = {"plan_id", "manifest_digest"}
_URL = "https://app.extruct.ai/tables/"


def load_manifests(paths: Sequence[Path], project_file: Path | None = None) -> tuple[Manifest, ...]:
    """Return the manifests in the files and folders `paths`, by name.

    Raises ManifestError with every problem of every file, and SettingsError for a path that is missing or has no
    manifest. The project file in use may be among them; another project file is a problem, as it would have no effect.
    """
    problems: set[Diagnostic] = set()
    patterns = Patterns()
    manifests: list[Manifest] = []
    for path in find_files(paths):
        try:
            documents = read_documents(path)
        except ManifestError as error:
            problems.update(error.problems)
            continue
        for document in documents:
            if not _is_project(document.value):
                manifests.append(_manifest(document, patterns, problems))
            elif project_file is None or not _is_same(path, project_file):
                problems.add(_stray_project(document, path))
    problems.update(_repeated_names(manifests))
    problems.update(overlapping_claims(manifest for manifest in manifests if manifest.table_id or manifest.source))
    problems.update(dependency_problems(manifests))
    if problems:
        raise ManifestError(sorted(problems))
    if not manifests:
        where = " and ".join(quote(shown_path(path)) for path in paths)
        hint = "`reconciler import TABLE` writes one, `reconciler init` a first project."
        raise SettingsError(f"there is no manifest in {where}", hint=hint, code=Code.NO_MANIFEST)
    return tuple(sorted(manifests, key=lambda manifest: manifest.name))


def manifest_of(document: Document) -> Manifest:
    """Return the manifest in one document. Raises ManifestError with every problem of it."""
    problems: set[Diagnostic] = set()
    manifest = _manifest(document, Patterns(), problems)
    if problems:
        raise ManifestError(sorted(problems))
    return manifest


def _is_project(value: object) -> bool:
    return isinstance(value, dict) and value.get("kind") == PROJECT_KIND


def _is_same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def _stray_project(document: Document, path: Path) -> Diagnostic:
    """Return the problem of a project file that is not in use: its limits and ledger would be silently ignored."""
    location = document.location(("kind",))
    if path.name not in PROJECT_FILES:
        message = f"a project file is called {one_of(PROJECT_FILES)}; under this name it has no effect"
        return Diagnostic(
            location,
            Code.STRAY_PROJECT_FILE,
            message,
            "Rename it, or move it out of the folders that are searched for manifests.",
        )
    message = (
        "this is the file of another project than the one in use: its limits and its ledger would have no effect here"
    )
    return Diagnostic(
        location,
        Code.STRAY_PROJECT_FILE,
        message,
        "Work in that folder (`reconciler -C DIR`), or name the manifests more precisely.",
    )


def _manifest(document: Document, patterns: Patterns, problems: set[Diagnostic]) -> Manifest:
    """Return a document's manifest; if faulty, only its valid parts, with an empty name or table if that is invalid."""
    whole: TableRunShape | None = fitted(document.value, TableRunShape)
    found: Table | TaggedShape | None
    depends_on: list[str] = []
    growth: GrowthShape | None = None
    if whole:
        name, labels = whole.metadata.name, whole.metadata.labels
        found, runs = whole.spec.table or whole.spec.tables or None, list(enumerate(whole.spec.runs))
        depends_on, growth = whole.spec.depends_on, whole.spec.allow_growth or None
    else:
        problems.update(_explain(document))
        metadata, spec = _mapping(document.value, "metadata"), _mapping(document.value, "spec")
        name, labels = fitted(metadata.get("name"), Name) or "", {}
        found = fitted(spec.get("table"), Table) or fitted(spec.get("tables"), TaggedShape)
        listed = spec.get("runs")
        tried = enumerate(listed if isinstance(listed, list) else ())
        runs = [(index, run) for index, value in tried if (run := fitted(value, RunShape))]
    names = _run_names(document, runs, problems)
    return Manifest(
        name=name,
        labels=labels,
        table_id=found.removeprefix(_URL)[:36].lower() if isinstance(found, str) else "",
        runs=tuple(make_run(document, index, run, names[index], patterns, problems) for index, run in runs),
        location=document.location(("metadata", "name")),
        table_place=document.location(("spec", "tables" if isinstance(found, TaggedShape) else "table")),
        source=_source(document, found),
        depends_on=listed_once(document, ("spec", "depends_on"), depends_on, problems),
        growth=GrowthAllowance(growth.max_cells, decimal_or_none(growth.max_credits)) if growth else None,
    )


def _source(document: Document, found: Table | TaggedShape | None) -> Source | None:
    if isinstance(found, TaggedShape):
        return ByTag(found.tag)
    if not isinstance(found, FoundShape):
        return None
    if found.name:
        return ByName(found.name)
    at = ("spec", "table")
    assert found.child_of
    assert found.column
    return ChildOf(
        NameAt(found.child_of, document.location((*at, "child_of"))),
        NameAt(found.column, document.location((*at, "column"))),
    )


def _mapping(value: object, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _explain(document: Document) -> Iterator[Diagnostic]:
    """Yield everything that is wrong with a document that is not a valid manifest."""
    value = document.value
    found = json_schema.problems("manifest", value)
    kind = value.get("kind") if isinstance(value, dict) else None
    if isinstance(value, dict) and value.keys() >= _OF_A_PLAN:
        hint = "`reconciler apply --plan FILE` applies it, and `reconciler show FILE` shows it."
        yield Diagnostic(document.location(()), Code.NOT_A_MANIFEST, "this is a saved plan, not a manifest", hint)
        return
    if isinstance(value, dict) and not _KEYS & value.keys():
        hint = "Every YAML file in a searched folder must be one; name a narrower folder, or move the file."
        message = "this is not a manifest: it has neither an `apiVersion` nor a `kind`"
        yield Diagnostic(document.location(()), Code.NOT_A_MANIFEST, message, hint)
        return
    if isinstance(kind, str) and kind != MANIFEST_KIND:
        guess = did_you_mean(kind, [MANIFEST_KIND, PROJECT_KIND])
        known = f"; it must be {one_of([MANIFEST_KIND, PROJECT_KIND])}"
        yield Diagnostic(document.location(("kind",)), Code.UNKNOWN_KIND, f"unknown kind {quote(kind)}{guess or known}")
        # The manifest schema does not apply to another kind.
        is_meant = MANIFEST_KIND in guess
        found = [each for each in found if each.at == ("apiVersion",) or (is_meant and each.at != ("kind",))]
    elif not found:
        yield Diagnostic(
            document.location(()), Code.NOT_A_MANIFEST, "this manifest is not understood; please report this as a bug"
        )
    for each in found:
        yield Diagnostic(document.location(each.at, key=each.at_key), each.code, each.message, each.hint)


def _run_names(document: Document, runs: Iterable[tuple[int, RunShape]], problems: set[Diagnostic]) -> dict[int, str]:
    """Return each run's name by its position: its own, or else the mode, numbered if that is taken."""
    names: dict[int, str] = {}
    taken: dict[str, int] = {}
    runs = list(runs)
    for index, run in runs:
        if run.name is UNSET:
            continue
        if run.name in taken:
            line = document.location(("spec", "runs", taken[run.name], "name")).line
            message = f"two runs of this manifest are called {quote(run.name)}; the other is in line {line}"
            problems.add(Diagnostic(document.location(("spec", "runs", index, "name")), Code.RUN_NAME_TAKEN, message))
        names[index] = run.name
        taken.setdefault(run.name, index)
    numbers = {mode: count(1) for mode in Mode}
    for index, run in runs:
        if index not in names:
            mode = MODES[type(run)]
            candidates = (mode.value if number == 1 else f"{mode.value}-{number}" for number in numbers[mode])
            names[index] = next(name for name in candidates if name not in taken)
    return names


def _repeated_names(manifests: Iterable[Manifest]) -> Iterator[Diagnostic]:
    """Yield a problem for each manifest whose name is already taken, with both locations."""
    first: dict[str, Manifest] = {}
    for manifest in manifests:
        other = first.setdefault(manifest.name, manifest)
        if manifest.name and other is not manifest:
            yield Diagnostic(
                manifest.location,
                Code.MANIFEST_NAME_TAKEN,
                f"the name {quote(manifest.name)} is taken by the manifest at {other.location}",
            )
