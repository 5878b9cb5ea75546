"""The JSON Schemas: finds their files, and what is wrong with a value by one of them.

They are draft-07, the newest that editors' YAML support reads.
"""

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reconciler.errors import SettingsError
from reconciler.text.codes import Code
from reconciler.text.phrases import did_you_mean, quote

# In a wheel the schemas are inside the package; in a checkout or editable install they are next to it.
_FOLDERS = (Path(__file__).parents[1] / "schemas", Path(__file__).parents[2] / "schemas")
_SUFFIX = ".v1.json"


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """One problem with a value."""

    at: tuple[str | int, ...]
    """The path to it: keys and positions."""
    code: Code
    message: str
    hint: str = ""
    at_key: bool = False
    """True to point at the key instead of its value."""


def names() -> tuple[str, ...]:
    """Return the names of all schemas."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in _folder().glob("*" + _SUFFIX)))


def text(name: str) -> str:
    """Return the text of a schema's file. Raises SettingsError for an unknown name."""
    if name not in names():
        raise SettingsError(
            f"there is no schema {quote(name)}{did_you_mean(name, names())}", code=Code.NOTHING_SELECTED
        )
    return (_folder() / (name + _SUFFIX)).read_text(encoding="utf-8")


def problems(name: str, value: object) -> list[SchemaProblem]:
    """Return the problems of `value` by the schema `name`, at most the first hundred; [] if it is valid."""
    # jsonschema is loaded once a value has to be explained: types judge most of them (`shapes.py`).
    found: list[SchemaProblem] = importlib.import_module("reconciler.manifests.schema_faults").problems(name, value)
    return found


@cache
def _folder() -> Path:
    return next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
