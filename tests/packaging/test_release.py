"""The release workflow and the container's definition, played on this machine; `--index` installs from the index."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from reconciler.version import __version__

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([a-z0-9-]+)==([^ ;]+)", re.MULTILINE)


def shell(script: str, folder: Path, python: Path, **variables: str) -> str:
    """Run a script with an environment's programs first on its PATH."""
    environment = {**os.environ, "PATH": f"{python}/bin:{os.environ['PATH']}", **variables}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a clone at this commit."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / "checkout")], check=True)
    return tmp_path / "checkout"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Return a new environment, as a job that sets up Python has."""
    subprocess.run([sys.executable, "-I", "-m", "venv", str(tmp_path / "python")], check=True)
    return tmp_path / "python"


@pytest.mark.usefixtures("index")
def test_the_release_workflow_builds_and_lists_what_it_says(checkout: Path, python: Path) -> None:
    """Each step that is ours, as it stands there: the packages hold the program, and the list what it needs."""
    steps = yaml.safe_load((checkout / ".github/workflows/release.yml").read_text())["jobs"]["build"]["steps"]
    scripts = [step["run"] for step in steps if "run" in step]
    with pytest.raises(AssertionError):
        shell(scripts[1], checkout, python, GITHUB_REF_NAME=f"v{__version__}")  # nothing is installed yet
    for script in scripts:
        shell(script, checkout, python, GITHUB_REF_NAME=f"v{__version__}")
    with pytest.raises(AssertionError):
        shell(scripts[1], checkout, python, GITHUB_REF_NAME="v9.9.9")
    (wheel,) = (checkout / "dist").glob("*.whl")
    (source,) = (checkout / "dist").glob("*.tar.gz")
    assert "reconciler/schemas/plan.v1.json" in zipfile.ZipFile(wheel).namelist()
    with tarfile.open(source) as packed:
        assert f"{source.name.removesuffix('.tar.gz')}/reconciler/version.py" in packed.getnames()
    listed = {
        (each["name"], each["version"]) for each in json.loads((checkout / "sbom.cdx.json").read_text())["components"]
    }
    assert listed == set(PINNED.findall((checkout / ".github/requirements.lock").read_text()))


@pytest.mark.usefixtures("index")
def test_the_image_s_program_works(checkout: Path, python: Path, tmp_path: Path) -> None:
    """Built from no other files than those that are copied, with nothing that is not pinned."""
    lines = re.sub(r" \\\n *", " ", (checkout / ".github/Containerfile").read_text()).splitlines()
    source, opt = tmp_path / "source", tmp_path / "opt"
    for copied in [line.split()[1:] for line in lines if line.startswith("COPY ") and "--from" not in line]:
        *files, target = copied
        for file in files:
            into = source / target / (file.rpartition("/")[2] if target.endswith("/") else "")
            into.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (checkout / file).is_dir() else shutil.copy)(checkout / file, into)
    built, _ = [line.removeprefix("RUN ") for line in lines if line.startswith("RUN ")]
    shell(built.replace("/opt/", f"{opt}/"), source, python)
    shutil.rmtree(source)
    said = shell("reconciler --version && reconciler init . && reconciler validate", tmp_path, opt / "reconciler")
    assert f"reconciler {__version__}" in said
    assert "Valid: 1 manifest, 2 runs." in said
    needed = set(PINNED.findall((checkout / ".github/requirements.lock").read_text()))
    installed = shell("python -I -m pip list --format json", tmp_path, opt / "reconciler")
    names = {each["name"].lower().replace("_", "-").replace(".", "-") for each in json.loads(installed)}
    assert names - {"pip", "setuptools", "extruct-reconciler"} <= {name for name, _ in needed}
