"""Every promised system gets wheels, for each extra: an install compiles nothing. `--index` asks the package index."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
GLIBC = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")
MUSL = ("x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl")
OTHERS = ("x86_64-apple-darwin", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")
SYSTEMS = (*GLIBC, *MUSL, *OTHERS)
NO_RE2 = {(system, version) for system in SYSTEMS for version in VERSIONS if system in MUSL or version == "3.15"}
"""Where `matches` has no wheel: once it has, the hint of `NoEngine` and the README are to say so."""
WHEELS_ALONE = ("--only-binary", ":all:")


def project() -> dict[str, Any]:
    """Return what pyproject.toml says of the project."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def resolved(system: str, version: str, *options: str) -> str | None:
    """Return the releases that an install would take there, a line each; None where it could not."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--no-header", "--no-annotate"]
    # The interpreter is only named so that uv does not look for another one.
    command += ["--quiet", "--no-config", "--python", sys.executable]
    command += ["--python-platform", system, "--python-version", version]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "Wheels are required" in done.stderr, done.stderr
    return done.stdout if done.returncode == 0 else None


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("version", VERSIONS)
def test_every_release_that_is_taken_has_a_wheel(version: str) -> None:
    """pip takes the newest release, a wheel of it or not: so resolving with wheels alone must come to the same."""
    extras = ("--extra", "simulator", "--extra", "postgres", "--extra", "worker")
    taken = {system: resolved(system, version, *extras) for system in SYSTEMS}
    assert None not in taken.values()
    assert {system: resolved(system, version, *extras, *WHEELS_ALONE) for system in SYSTEMS} == taken


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("version", VERSIONS)
def test_matches_has_wheels_where_its_hint_says_so(version: str) -> None:
    """And nowhere else yet."""
    lacking = {system for system in SYSTEMS if resolved(system, version, "--extra", "matches", *WHEELS_ALONE) is None}
    assert lacking == {system for system in SYSTEMS if (system, version) in NO_RE2}


def test_classifiers_bound_and_ci_name_the_same_versions() -> None:
    """Of CPython."""
    said = project()
    prefix = "Programming Language :: Python :: 3."
    assert [each.removeprefix(prefix) for each in said["classifiers"] if each.startswith(prefix)] == [
        version.removeprefix("3.") for version in VERSIONS
    ]
    assert said["requires-python"] == f">={VERSIONS[0]}"
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]
    assert jobs["install"]["strategy"]["matrix"]["python"] == [*VERSIONS]
    # The whole suite needs `matches`.
    with_matches = [version for version in VERSIONS if (GLIBC[0], version) not in NO_RE2]
    assert jobs["test"]["strategy"]["matrix"]["python"] == with_matches


def test_the_default_install_has_nothing_that_lacks_wheels_somewhere() -> None:
    """Nor does the simulator, which the demo runs against."""
    needed = [*project()["dependencies"], *project()["optional-dependencies"]["simulator"]]
    assert not [each for each in needed if each.startswith("google-re2")]
