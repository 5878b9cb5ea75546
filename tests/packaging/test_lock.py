"""The packages that pipelines install: a lock with hashes that says what `pyproject.toml` says."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK = (ROOT / ".github/requirements.lock").read_text("utf-8")
PINNED = dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", LOCK, flags=re.MULTILINE))
EXTRAS = PROJECT["project"]["optional-dependencies"]
NEEDED = [
    *PROJECT["project"]["dependencies"],
    *EXTRAS["matches"],
    *EXTRAS["postgres"],
    *PROJECT["build-system"]["requires"],
]


@pytest.mark.parametrize("written", NEEDED)
def test_what_the_project_needs_is_pinned(written: str) -> None:
    """To a version that it allows; `uv pip compile` as the README of the tests says makes a new one."""
    needed = Requirement(written)
    assert needed.specifier.contains(PINNED[needed.name])


@pytest.mark.parametrize("name", ["requirements", "release"])
def test_everything_has_hashes(name: str) -> None:
    """And nothing comes from another place than an index."""
    text = (ROOT / f".github/{name}.lock").read_text("utf-8")
    for entry in re.split(r"\n(?=\S)", text.strip()):
        first, *rest = entry.splitlines()
        assert re.fullmatch(r"[a-z0-9-]+==[^ ]+( ; .*)? \\", first), first
        assert rest
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in rest)


def test_nothing_installs_a_free_name() -> None:
    """Nothing is published yet: whoever took the name on an index would be run beside the secrets."""
    for path in (ROOT / ".github").rglob("*"):
        if path.suffix in (".yml", ".sh") or path.name == "Containerfile":
            assert "install extruct-reconciler" not in path.read_text("utf-8")
