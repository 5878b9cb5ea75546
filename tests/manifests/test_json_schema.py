"""The schemas themselves, and their messages."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

import reconciler
from reconciler.errors import SettingsError
from reconciler.manifests import json_schema, schema_faults
from reconciler.settings.project_file import ApiSettings, Spend

OURS = pytest.mark.parametrize("name", ["manifest", "project"])


def read(name: str) -> dict[str, Any]:
    """Return a schema."""
    value: dict[str, Any] = json.loads(json_schema.text(name))
    return value


def properties(value: object, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every property that a schema defines, with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "properties" and not at.endswith(("/if", "/properties")):
                yield from ((f"{at}/{name}", definition) for name, definition in item.items())
            yield from properties(item, f"{at}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from properties(item, f"{at}/{index}")


@OURS
def test_schemas_are_draft_07_and_identified(name: str) -> None:
    """Editors' YAML support reads draft-07 and nothing newer."""
    value = read(name)
    Draft7Validator.check_schema(value)
    assert value["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert value["$id"] == f"urn:extruct-reconciler:schema:{name}:v1"


@OURS
def test_every_key_has_a_description(name: str) -> None:
    """Each key has a text for an editor to show."""
    found = dict(properties(read(name)))
    assert len(found) > 10
    assert [path for path, definition in found.items() if not definition.get("description")] == []


@OURS
def test_the_examples_are_valid_for_the_library_too(name: str) -> None:
    """Each example in a schema fits the schema it stands in, by ours and by the library's own judgement."""
    value = read(name)
    assert value["examples"]
    for example in value["examples"]:
        assert json_schema.problems(name, example) == []
        Draft7Validator(value).validate(example)


def test_the_defaults_in_the_schema_are_those_of_the_program() -> None:
    """A default that an editor shows is the one in force."""
    api = read("project")["properties"]["spec"]["properties"]["api"]["properties"]
    spend = api.pop("spend")["properties"]
    assert api.pop("rate")["properties"].keys() == {"requests_per_second"}  # none by default
    assert {key: value.get("default") for key, value in api.items()} == {
        key: getattr(ApiSettings(), key) for key in api
    }
    assert {key: value["default"] for key, value in spend.items()} == {key: getattr(Spend(), key) for key in spend}


def test_an_unknown_schema_is_said() -> None:
    """A name close to one there is gets a suggestion."""
    with pytest.raises(SettingsError, match=r"no schema `manifets`; did you mean `manifest`\?"):
        json_schema.text("manifets")
    with pytest.raises(SettingsError, match="no schema"):
        json_schema.text("../pyproject")


def test_problems_are_bounded() -> None:
    """Of a hundred thousand faults the first hundred are said, and that there are more."""
    value = read("manifest")["examples"][0]
    value["spec"]["runs"] = [{}] * 100_000
    found = json_schema.problems("manifest", value)
    assert len(found) == schema_faults.MAX_PROBLEMS + 1
    assert found[-1].message == "these are the first problems of the manifest; there are more"


SHOW = "from reconciler.manifests import json_schema as s; print(s.names(), s.text('manifest'))"


def test_schemas_are_found_inside_an_installed_package(tmp_path: Path) -> None:
    """A wheel carries them in the package, and a stranger's folder `schemas` beside it is not taken for ours."""
    package, checkout = tmp_path / "reconciler", Path(reconciler.__file__).parent.parent
    for room in ("", "manifests", "text"):
        (package / room).mkdir()
        (package / room / "__init__.py").touch()
    for module in (
        "manifests/json_schema",
        "text/sanitize",
        "errors",
        "text/codes",
        "text/code_guide",
        "text/location",
        "text/phrases",
    ):
        shutil.copy(checkout / "reconciler" / f"{module}.py", package / f"{module}.py")
    (package / "schemas").mkdir()
    (package / "schemas" / "manifest.v1.json").write_text('{"type": "object"}')
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "other.v1.json").write_text("{}")
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "from reconciler.manifests import json_schema as s; print(s.names(), s.text('manifest'))",
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == '(\'manifest\',) {"type": "object"}\n'
