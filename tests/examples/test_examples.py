"""Every example is planned and applied against the simulator; a second apply sends nothing."""

import importlib.util
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from reconciler.cli.group import run
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from reconciler.simulator.world.workspace_file import load
from tests.journey.desk import environment

EXAMPLES = Path(__file__).parents[2] / "examples"
MOST_WAVES = 8
SPEED = 5000.0
"""Simulated seconds a second, so that the job waits for runs of minutes."""
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", NAMES)
def test_an_example_plans_applies_and_is_settled(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its plan has calls; applied, each cell was charged once; applied again at once, nothing is sent.

    Applied until nothing is due, wave after wave, no cell was charged twice.
    """
    ledger = str(tmp_path / "ledger.db")
    paths = [] if (EXAMPLES / name / "reconciler.yaml").exists() else ["."]
    with (
        serve(load(EXAMPLES / "workspace.yaml"), clock=ManualClock()) as simulator,
        chdir(EXAMPLES / name),
        environment(simulator.environment() | {"RECONCILER_LEDGER": ledger}),
    ):
        assert run(["validate", *paths]) == 0
        assert run(["plan", *paths, "--detailed-exitcode"]) == 2
        assert run(["apply", *paths, "--yes", "--no-wait", "--detailed-exitcode"]) == 2
        assert set(simulator.charges().values()) == {1}
        # 6: a later wave is due, and waits for its table.
        assert run(["apply", *paths, "--yes", "--no-wait", "--detailed-exitcode"]) in (0, 6)
        assert set(simulator.charges().values()) == {1}
        for _ in range(MOST_WAVES):
            simulator.finish()
            if run(["apply", *paths, "--yes", "--no-wait", "--detailed-exitcode"]) == 0:
                break
        else:
            pytest.fail("something is always due")
        assert set(simulator.charges().values()) == {1}
    assert "Traceback" not in capsys.readouterr().err


def scheduled_job() -> Callable[[str, str], int]:
    """Load the job of `examples/python`; it is not part of a package."""
    spec = importlib.util.spec_from_file_location("job", EXAMPLES / "python" / "job.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    main: Callable[[str, str], int] = module.main
    return main


def test_the_scheduled_job_stays_within_its_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beyond it nothing is sent; within it each cell is bought once and waited for; run again, nothing is sent."""
    job = scheduled_job()
    with (
        serve(load(EXAMPLES / "workspace.yaml"), speed=SPEED) as simulator,
        chdir(tmp_path),
        environment(simulator.environment() | {"RECONCILER_LEDGER": str(tmp_path / "ledger.db")}),
    ):
        project = str(EXAMPLES / "python" / "reconciler.yaml")
        assert job(project, "5") == 3
        assert simulator.charges() == {}
        assert "credits, and 5 are allowed" in capsys.readouterr().out
        code = job(project, "500")
        said = capsys.readouterr().out
        assert code == 0
        assert set(simulator.charges().values()) == {1}
        assert "target-accounts/fill: " in said
        bought = simulator.charges()
        job(project, "500")
        assert simulator.charges() == bought
        with environment({"EXTRUCT_API_URL": "http://127.0.0.1:9", "RECONCILER_LEDGER": "ledger.db"}):
            assert job(project, "500") == 1
    assert "there is no API token" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_example_tells_editors_its_schema(path: Path) -> None:
    """The first line is the modeline, and the schema it names exists."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (path.parent / first.removeprefix(prefix)).is_file()
