"""The house's rules, read from the syntax trees: floors, doors, purity, size, names, and counted escapes.

What a rule allows is data at the top. An exception stands beside its rule with its reason, and a test fails once it is
no longer needed.
"""

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "reconciler"

FLOORS = """
entry        __main__
commands     cli
simulator    simulator
story        against reconcile permit sending looking finding leasing profiling
files        comparison revision settings loading runs project limiting provenance commit discovery
edges        forge client ledger sources schema shapes calendars elapsed
texts        render reportfile statusfile saved planfile snapshotfile scaffold
apply        report apply waiting
takings      importing adoption standing
planning     planner tableplan waves growth guard
decisions    rules freshness recovery approval shortcut desired selecting resolving
parts        claims ordering cover recall blocking decide evidence masks
nouns        records outcome change plan history origin budget observed manifest_order manifest condition
reading      encoding errors addresses patterns wording blanks syntax
ground       __init__ amounts clean fingerprint place packed version
"""
"""From the top down. A module imports from the floors below its own, and on its own floor only what stands after it."""

SIDEWAYS: dict[tuple[str, str], str] = {}
"""Imports against the order that are known, and why they are there."""

INTO_THE_SIMULATOR = {"cli.simulator", "cli.demo"}
"""A local stand-in of the API is nothing that the program depends on."""

DOORS = {
    "click": ["cli"],
    "httpx": ["client"],
    "msgspec": ["client"],
    "stamina": ["client"],
    "tenacity": ["client"],
    "yaml": ["sources"],
    "jsonschema": ["schema"],
    "sqlalchemy": ["ledger"],
    "alembic": ["ledger"],
    "psycopg": ["ledger"],
    "starlette": ["simulator"],
    "uvicorn": ["simulator"],
    "deepdiff": ["comparison"],
    "re2": [],
    "cronsim": ["calendars"],
}
"""Distribution → the only rooms that may import it."""

OTHER_DOORS = {
    ("simulator", "httpx"): "its transport lets httpx clients reach it in-process",
    ("simulator", "msgspec"): "a server of its own, with its own wire format",
    ("simulator", "pytest"): "a plugin with fixtures for other people's tests",
    ("cli.simulator", "msgspec"): "reads a fault given on the command line",
    ("snapshotfile", "msgspec"): "a snapshot's content is typed MessagePack: small, and checked while it is decoded",
    ("patterns", "re2"): "searches by the patterns of manifests: a decision, pure and in time linear in the text",
    ("shapes", "msgspec"): "types decide fast whether a document is sound",
    ("loading", "msgspec"): "what a document leaves out",
    ("runs", "msgspec"): "what a document leaves out",
}
"""Further doors: (module or room, distribution) → why."""

PURE = """
texts apply takings planning decisions parts nouns reading ground
"""
"""Floors that read no clock, file, socket or environment."""

PURE_LIBRARY = """
__future__ array bisect collections contextlib copy dataclasses datetime decimal difflib enum fractions functools
hashlib hmac ipaddress itertools json math operator re string struct types typing unicodedata urllib.parse
xml.sax.saxutils zlib
"""
"""What they may import of the standard library."""

IMPURE = {("apply", "threading"), ("apply", "concurrent.futures"), ("apply", "queue")}
"""What is more than that: an apply sends for several tables at once; time and chance are still handed to it."""

IMPURE_NAMES = """
open print input exec eval compile __import__ breakpoint
"""
IMPURE_ATTRIBUTES = """
now today utcnow
"""
"""Of datetime: a clock."""

LATE_IMPORTS = {
    "cli": "a command's module is loaded when it is called, so that `--help` is fast",
    "ledger.store": "alembic is loaded only where a store has to be migrated",
}
"""Where `importlib.import_module` may be called, and why; never an import statement inside a function."""

FORBIDDEN_NAMES = """
utils util helpers helper common manager base core handler
"""

MOST_LINES = 400

BUDGETS = {
    "reconciler": {"noqa": 9, "type: ignore": 3, "pragma: no cover": 0, "skip or xfail": 0},
    "tests": {"noqa": 20, "type: ignore": 10, "pragma: no cover": 0, "skip or xfail": 1},
}
"""How often each escape may stand in the code at most."""


@dataclass(frozen=True)
class Module:
    """A Python file of the package."""

    path: Path
    name: str
    """Dotted, without `reconciler.`; a package goes by its own name."""
    tree: ast.Module

    @property
    def room(self) -> str:
        """The first part of the name: what the floors are made of."""
        return self.name.partition(".")[0]


@cache
def modules() -> dict[str, Module]:
    """Return every module of the package by name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = Module(path, name, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return found


@cache
def floors() -> dict[str, tuple[int, int]]:
    """Return each room's place: floor and position in it."""
    return {
        room: (level, position)
        for level, line in enumerate(FLOORS.strip().splitlines())
        for position, room in enumerate(line.split()[1:])
    }


def imported(module: Module) -> Iterator[str]:
    """Yield the full name of everything a module imports, `from a import b` as `a.b`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(module: Module) -> set[str]:
    """Return the package's own modules that a module imports."""
    found = set()
    for name in imported(module):
        if name.split(".")[0] != "reconciler":
            continue
        own = name.partition(".")[2]
        while own and own not in modules():
            own = own.rpartition(".")[0]
        found.add(own or "__init__")
    return found


def is_in(module: Module, rooms: list[str]) -> bool:
    """Say whether a module is, or is in, one of `rooms`."""
    return any(module.name == room or module.name.startswith(f"{room}.") for room in rooms)


def test_every_room_has_a_floor_and_every_floor_its_rooms() -> None:
    """A new module is given its place here, and one that has gone loses it."""
    listed = [room for line in FLOORS.strip().splitlines() for room in line.split()[1:]]
    assert sorted(listed) == sorted({module.room for module in modules().values()})


def test_imports_point_down() -> None:
    """Never up, and on one floor only to the right; so there is no cycle among rooms either."""
    wrong = {
        (module.room, other.partition(".")[0])
        for module in modules().values()
        for other in imported_modules(module)
        if module.room != other.partition(".")[0] and floors()[module.room] > floors()[other.partition(".")[0]]
    }
    assert wrong == set(SIDEWAYS)


def test_no_module_imports_itself_through_others() -> None:
    """Also within a room there is no cycle."""
    # A package's own file gathers its parts for those outside; what is inside must not come back through it.
    graph = {name: imported_modules(module) for name, module in modules().items()}
    order: list[str] = []
    under_way: list[str] = []

    def visit(name: str) -> None:
        assert name not in under_way, " → ".join([*under_way[under_way.index(name) :], name])
        if name not in order:
            under_way.append(name)
            for other in sorted(graph[name]):
                visit(other)
            order.append(under_way.pop())

    for name in graph:
        visit(name)


def test_nothing_imports_the_simulator_but_its_commands() -> None:
    """It can be taken out of the house."""
    users = {
        module.name
        for module in modules().values()
        if module.room != "simulator" and any(other.startswith("simulator") for other in imported_modules(module))
    }
    assert users <= INTO_THE_SIMULATOR


def foreign(module: Module) -> set[str]:
    """Return the top names that a module imports from elsewhere than the standard library and the package."""
    names = {name.partition(".")[0] for name in imported(module)}
    return names - sys.stdlib_module_names - {"reconciler"}


def test_each_dependency_has_one_door() -> None:
    """A library's types stay behind the module that knows it."""
    wrong = set()
    for module in modules().values():
        for library in foreign(module):
            assert library in DOORS or library == "pytest", f"{module.name} imports {library}, which has no door"
            if not is_in(module, DOORS.get(library, [])):
                exceptions = [room for room, through in OTHER_DOORS if through == library]
                by = next((room for room in exceptions if is_in(module, [room])), module.name)
                wrong.add((by, library))
    assert wrong == set(OTHER_DOORS)


PURE_MODULES = sorted(
    name
    for name, module in modules().items()
    if any(module.room in line.split()[1:] for line in FLOORS.strip().splitlines() if line.split()[0] in PURE.split())
)


@pytest.mark.parametrize("name", PURE_MODULES)
def test_the_decisions_are_pure(name: str) -> None:
    """No clock, file, socket, environment or chance; those are handed in."""
    module = modules()[name]
    standard = [each for each in imported(module) if each.partition(".")[0] in sys.stdlib_module_names]
    allowed = set(PURE_LIBRARY.split()) | {library for room, library in IMPURE if room == name}
    assert [each for each in standard if not allowed & set(accumulate(each.split("."), "{}.{}".format))] == []
    assert foreign(module) <= {library for room, library in OTHER_DOORS if room == name}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in IMPURE_NAMES.split(), f"{module.path}:{node.lineno}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in IMPURE_ATTRIBUTES.split(), f"{module.path}:{node.lineno}"


def test_the_modules_that_decide_about_money_are_among_the_pure_ones() -> None:
    """Whatever becomes of the floors."""
    named = (
        "plan planner decide cover masks recall evidence desired selecting approval recovery guard apply waiting "
        "planfile report"
    )
    assert set(named.split()) | {"render.plan_text", "render.report_text"} <= set(PURE_MODULES)


def test_no_import_hides_in_a_function() -> None:
    """Neither as a statement nor through importlib, but where a comment says why."""
    late = set()
    for module in modules().values():
        for function in ast.walk(module.tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            for node in ast.walk(function):
                assert not isinstance(node, ast.Import | ast.ImportFrom), f"{module.path}:{function.lineno}"
                if isinstance(node, ast.Attribute) and node.attr in ("import_module", "__import__"):
                    late.add(next((room for room in LATE_IMPORTS if is_in(module, [room])), module.name))
    assert late == set(LATE_IMPORTS)


def test_only_the_commands_print() -> None:
    """Everything else returns what it has to say, or raises it."""
    for module in modules().values():
        if module.room == "cli":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{module.path}:{node.lineno}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
                assert node.attr not in ("stdout", "stderr", "exit", "argv"), f"{module.path}:{node.lineno}"


def test_no_module_is_longer_than_a_person_reads() -> None:
    """400 lines at most."""
    lengths = {name: len(module.path.read_text(encoding="utf-8").splitlines()) for name, module in modules().items()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_no_name_says_nothing() -> None:
    """Of modules, classes and functions, word by word."""
    named = [(name, name) for name in modules()] + [
        (name, node.name)
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    forbidden = set(FORBIDDEN_NAMES.split())
    wrong = [(where, name) for where, name in named if forbidden & set(words(name))]
    assert wrong == []


def words(name: str) -> list[str]:
    """Return the words of a name, however they are joined."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def test_every_module_opens_with_why_it_exists() -> None:
    """In a docstring."""
    assert [name for name, module in modules().items() if not ast.get_docstring(module.tree)] == []


def escapes(path: Path) -> Iterator[str]:
    """Yield the escapes from the rules that stand in a file."""
    text = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield from (word for word in ("noqa", "type: ignore", "pragma: no cover") if word in token.string)
    for node in ast.walk(ast.parse(text)):
        is_escape = isinstance(node, ast.Attribute) and node.attr in ("skip", "skipif", "xfail", "importorskip")
        if is_escape and ast.unparse(node).startswith("pytest."):
            yield "skip or xfail"


@pytest.mark.parametrize("folder", BUDGETS)
def test_escapes_stay_within_their_budget(folder: str) -> None:
    """Whoever needs one more has to say so here."""
    found = Counter(escape for path in sorted((ROOT / folder).rglob("*.py")) for escape in escapes(path))
    assert {escape: count for escape, count in found.items() if count > BUDGETS[folder][escape]} == {}
