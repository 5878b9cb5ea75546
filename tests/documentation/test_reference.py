"""The list of every key is made from the schemas."""

import json
import re

import pytest

from reconciler.manifests import json_schema
from tests.documentation.pages import ROOT
from tests.documentation.reference import SECTIONS, reference

PAGE = ROOT / "schemas" / "README.md"


def test_the_page_is_what_the_schemas_say(pytestconfig: pytest.Config) -> None:
    """`--rewrite-golden` writes it."""
    if pytestconfig.getoption("--rewrite-golden"):
        PAGE.write_text(reference(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_of_a_schema_is_listed(name: str) -> None:
    """By its last part, however deep it is; keys of conditional rules say no more than those."""
    section = reference().partition(f"## {SECTIONS[name]}\n")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| \**`(?:[^`]*\.)?([^`.]+)`", section, flags=re.MULTILINE))
    found: set[str] = set()

    def walk(value: object, *, names: bool) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                if names:
                    found.add(key)
                walk(item, names=not names and key in ("properties",))
        elif isinstance(value, list):
            for item in value:
                walk(item, names=False)

    walk({key: item for key, item in json.loads(json_schema.text(name)).items() if key != "examples"}, names=False)
    assert found - listed == set()
