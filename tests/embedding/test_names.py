"""What `import reconciler` offers: held by name, loaded when it is used, and typed for whoever uses it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import reconciler
from reconciler import errors

NAMES = """
AdoptedTable Adoption ApiError ApplyEvents BadResponse Call CallFilter CallRecord CallResult CallState Code Compacted
Corrupt Diagnostic Drift DriftKind DriftReport ErroredPlan EventKind EventRecord ExitCode ExplainedCells Forecast
ImportOutcome ImportedTable InDoubt Interrupt Lease Leased LedgerError LimitExceeded Limits Loaded Location
ManifestError ManifestStatus Mode Network NotSent Plan PlanError PlannedForecast ProjectLedger ReadCost ReadProgress
Reason ReconcilerError Reconciliation Refused Report RunStatus SavedPlan Session SessionPlan SettingsError Severity
SkipReason SnapshotTaken SpendLine SpendReport StalePlan Status Targets TooNew Totals Unwritable Validation Violation
__version__ open_session
"""
"""A name that goes breaks somebody's program."""

USER = '''\
"""A program of somebody else's."""

from decimal import Decimal

import reconciler


def spend(project: str, most: Decimal) -> int:
    """Plan and apply."""
    with reconciler.open_session(project, token="x", ledger="ledger.db", max_credits=most) as session:
        plan: reconciler.SessionPlan = session.plan(target=["team=gtm"])
        violations: list[str] = [each.message for each in plan.violations]
        cost: Decimal | None = plan.totals().credits
        if violations or cost is None:
            return reconciler.ExitCode.LIMIT
        try:
            report: reconciler.Report = session.apply(plan, wait=True, timeout_seconds=60)
        except reconciler.StalePlan as error:
            print(error.message, error.hint)
            return 4
        standing: reconciler.Status = session.status()
        causes: tuple[reconciler.Drift, ...] = session.drift().causes
        print(standing.calls, causes, session.snapshot("live.snapshot").size_bytes)
        for table in session.import_tables(every=True):
            print(table.message if isinstance(table, reconciler.ApiError) else table.path)
        return report.exit_code()
'''
WRONG = """\
import reconciler

reconciler.open_sesion()
reconciler.open_session(tokn="x")
reconciler.open_session().plan(1)
"""
JOB = str(Path(__file__).parents[2] / "examples" / "python" / "job.py")
SETTINGS = """\
[mypy]
strict = true
follow_imports = silent
cache_dir = /dev/null
[mypy-alembic.*,deepdiff.*,httpx.*,jsonschema.*,sqlalchemy.*]
follow_imports = skip
"""
"""As an author has it; what no type of the face goes by is left out, since it takes mypy longest."""
SAID = [("wrong.py:3", "attr-defined"), ("wrong.py:4", "call-arg"), ("wrong.py:5", "arg-type")]
"""The lines of the wrong program, in order."""


def test_the_face_is_what_it_is() -> None:
    """Every name is there, is listed, and no other is."""
    assert sorted(reconciler.__all__) == sorted(NAMES.split())
    assert set(reconciler.__all__) <= set(dir(reconciler))
    for name in reconciler.__all__:
        assert getattr(reconciler, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'open_sesion'"):
        getattr(reconciler, "open_sesion")  # noqa: B009 - as a program that a type checker does not see


def test_every_error_is_offered() -> None:
    """A program that embeds this one can tell them apart."""
    named = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
    assert named <= set(reconciler.__all__)


def test_what_is_offered_is_documented() -> None:
    """Classes, and the methods of a session, in words of their own."""
    for name in set(reconciler.__all__) - {"__version__"}:
        text = getattr(reconciler, name).__doc__
        assert text, name
        assert not text.startswith(f"{name}("), f"{name}: written by dataclasses"
    for name, method in vars(reconciler.Session).items():
        if not name.startswith("_"):
            assert method.__doc__, name


OF_COMMANDS = {"Settings", "Profile"}
"""Classes that methods of a session name for the commands of this program alone."""


def test_whatever_a_method_takes_or_returns_is_offered() -> None:
    """A program can name the types of its own functions with `reconciler.` and a name."""
    named: set[str] = set()
    for owner in (reconciler.Session, reconciler.ProjectLedger):
        for name, member in vars(owner).items():
            if not name.startswith("_"):
                function = member.fget if isinstance(member, property) else member
                pending = list(get_type_hints(function).values())
                while pending:
                    hint = pending.pop()
                    pending += get_args(hint)
                    if isinstance(hint, type) and hint.__module__.startswith("reconciler."):
                        named.add(hint.__name__)
    assert named - set(reconciler.__all__) == OF_COMMANDS


def test_importing_loads_nothing_else() -> None:
    """Neither a module of ours beside the version, nor one of anybody else's."""
    code = "import sys; before = set(sys.modules); import reconciler; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["reconciler", "reconciler.version"]


def test_a_users_program_is_typed(tmp_path: Path) -> None:
    """mypy --strict has nothing to say about a right one, and finds what is wrong with another."""
    (tmp_path / "right.py").write_text(USER, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "right.py", "wrong.py", JOB]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = re.findall(r"^(.*?:\d+): error: .*\[(.*)\]$", found.stdout, flags=re.MULTILINE)
    assert said == SAID, found.stdout
