"""The schemas are found however the program was installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRINT_SCHEMAS = "import reconciler.manifests.json_schema as s; print(s.__file__); [s.text(name) for name in s.names()]"


def python(code: str, *, folder: Path, path: Path | None) -> str:
    """Run Python code in a folder, with one more folder to import from."""
    environment = {} if path is None else {"PYTHONPATH": str(path)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def test_a_checkout_finds_its_schemas() -> None:
    """Beside the package."""
    assert str(ROOT) in python(PRINT_SCHEMAS, folder=ROOT, path=None)


def test_an_editable_install_finds_its_schemas(tmp_path: Path) -> None:
    """From another folder, through the environment that runs these tests."""
    assert str(ROOT) in python(PRINT_SCHEMAS, folder=tmp_path, path=None)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel with the build backend of this environment, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_a_wheel_finds_its_schemas(wheel: Path, tmp_path: Path) -> None:
    """Inside the package."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    assert str(tmp_path) in python(PRINT_SCHEMAS, folder=Path("/"), path=tmp_path)


def test_a_wheel_holds_what_it_needs_and_no_tests(wheel: Path) -> None:
    """Types, schemas, the help text, the pages' style and script, and migrations; nothing from outside the package."""
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "py.typed",
        "schemas/manifest.v1.json",
        "cli/help.txt",
        "render/page/page.css",
        "render/page/page.js",
    ):
        assert f"reconciler/{needed}" in names
    assert any(name.startswith("reconciler/ledger/migrations/") for name in names)
    assert not [name for name in names if not name.startswith(("reconciler/", "extruct_reconciler-"))]


def test_a_wheel_has_both_names_of_the_program(wheel: Path) -> None:
    """`uvx extruct-reconciler` runs the program that has the distribution's name."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (each for each in opened.namelist() if each.endswith("entry_points.txt"))
        listed = opened.read(name).decode()
    assert "\nreconciler = reconciler.cli:main\n" in listed
    assert "\nextruct-reconciler = reconciler.cli:main\n" in listed
