"""The packages that pipelines install: a lock with hashes that says what `pyproject.toml` says."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
OF_JOBS, OF_WORKERS = ".github/requirements.lock", "examples/operations/requirements.lock"
LOCKS = (OF_JOBS, OF_WORKERS, ".github/release.lock")
PINNED = {
    name: dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE))
    for name in LOCKS
}
EXTRAS = PROJECT["project"]["optional-dependencies"]
COMMON = [*PROJECT["project"]["dependencies"], *EXTRAS["matches"], *PROJECT["build-system"]["requires"]]
NEEDED = [
    *((OF_JOBS, written) for written in [*COMMON, *EXTRAS["postgres"]]),
    *((OF_WORKERS, written) for written in [*COMMON, *EXTRAS["worker"]]),
]


@pytest.mark.parametrize(("lock", "written"), NEEDED)
def test_what_the_project_needs_is_pinned(lock: str, written: str) -> None:
    """To a version that it allows; `uv pip compile` as the README of the tests says makes a new one."""
    needed = Requirement(written)
    assert needed.specifier.contains(PINNED[lock][needed.name])


@pytest.mark.parametrize("name", LOCKS)
def test_everything_has_hashes(name: str) -> None:
    """And nothing comes from another place than an index."""
    text = (ROOT / name).read_text("utf-8")
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
