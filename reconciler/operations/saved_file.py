"""A file that this program saved, of whatever kind: told apart by its content, checked like everywhere else."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.documents.snapshot_file import FORMAT, decode
from reconciler.errors import SettingsError
from reconciler.manifests.open_file import open_named, shown_path
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.operations.named_file import named_file
from reconciler.operations.read_plan import plan_content
from reconciler.operations.read_report import LARGEST_FILE, report_content
from reconciler.settings.settings import read_snapshot_key
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

_begins_as_plan = re.compile(rb'\s*\{\s*"plan_id"').match
"""The first key of a plan file, which is there even if the rest was cut off."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """The content of a file: exactly one of these."""

    plan: Mapping[str, Any] | None = None
    report: Mapping[str, Any] | None = None
    snapshot: LiveSnapshot | None = None


def read_saved_file(path: Path, environment: Mapping[str, str]) -> SavedFile:
    """Read a plan, report or snapshot file.

    Raises StalePlan for a plan that is edited or not understood, SettingsError for any other file.
    """
    with (
        named_file(path, "Name a file that `plan --out`, `apply --out` or `snapshot --out` wrote."),
        open_named(path) as file,
    ):
        data = file.read(LARGEST_FILE + 1)
    if FORMAT.encode() in data[: len(FORMAT) + 40]:
        return SavedFile(snapshot=decode(data, read_snapshot_key(environment)))
    keys = _keys(data)
    if "manifest_digest" in keys or _begins_as_plan(data):
        return SavedFile(plan=plan_content(data))
    if "by_manifest" in keys:
        return SavedFile(report=report_content(data))
    raise SettingsError(
        f"{one_line(shown_path(path))} is neither a plan, a report nor a snapshot",
        hint="`plan --out`, `apply --out` and `snapshot --out` write such files.",
        code=Code.UNUSABLE_FILE,
    )


def _keys(data: bytes) -> frozenset[str]:
    """Return the keys of a JSON object; none of anything else."""
    try:
        content = json.loads(data.decode("utf-8", "replace")) if len(data) <= LARGEST_FILE else None
    except (ValueError, RecursionError):
        content = None
    return frozenset(content) if isinstance(content, dict) else frozenset()
