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
from functools import cache, cached_property
from itertools import accumulate
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "reconciler"

CONTRACTS = {
    "text": "",
    "model": "text",
    "manifests": "model text",
    "spending": "model text",
    "client": "spending model text",
    "ledger": "spending model text",
    "planning": "spending model text",
    "settings": "manifests model text",
    "forge": "client model",
    "simulator": "manifests text",
    "documents": "planning spending model text",
    "render": "planning spending model text",
    "operations": "forge render documents settings planning ledger client spending manifests model text",
    "fleet": "operations documents settings ledger client spending manifests model text",
    "cli": "fleet operations render documents simulator settings manifests model text",
}
"""Room → the rooms it may import. Each line is a sentence: planning decides over spending, model and text, and knows no
file, socket or store. An entry that no import needs any more fails, so that the list says what is."""

ROOT = {"__init__", "__main__", "errors", "version"}
"""Modules beside the rooms: `errors` and `version` may be imported by every room but `text`, which imports nothing."""
ROOT_IMPORTS = {
    "__init__": "version errors documents model operations planning text",
    "__main__": "cli settings",
    "errors": "text",
    "version": "",
}

MOST_ROOMS, MOST_ARROWS = 15, 60

OF_COMMANDS = "cli fleet render documents model text __init__ errors version"
"""A command is made of words, documents, nouns, and the verbs that `import reconciler` and many machines offer."""

BESIDE_THE_FACE = {
    ("cli.console", "settings.settings"): "flags become settings before anything heavy is loaded",
    ("cli.console", "settings.ci"): "whether a CI runs this, and so no person is asked",
    ("cli.validate", "operations.validate"): "a hook waits for it, so it loads neither network nor ledger",
    ("cli.approved_plan", "operations.approved_plan"): "asks a forge about a push, before there is a plan to apply",
    ("cli.approved_plan", "operations.change_hosts"): "opens that forge",
    ("cli.approved_plan", "operations.ci_job"): "says which job, and whom it trusts",
    ("cli.approved_plan", "operations.project_changes"): "whether a push needs a plan at all",
    ("cli.approved_plan", "operations.atomic_file"): "writes the plan files that it found",
    ("cli.plan_outcome", "operations.atomic_file"): "what the jobs after a plan read is there whole or not at all",
    ("cli.comment", "operations.comment"): "needs no project: one that is broken is commented on, too",
    ("cli.comment", "operations.ci_job"): "says which job, and whom it trusts",
    ("cli.plan", "operations.atomic_file"): "`--out` is there whole or not at all",
    ("cli.receipt", "operations.atomic_file"): "likewise",
    ("cli.plan", "operations.profile"): "`--profile` times the writing of the answer, too",
    ("cli.completion", "operations.completion"): "a shell waits for it: no network, and nothing fails",
    ("cli.completion", "settings.settings"): "likewise",
    ("cli.doctor", "operations.doctor"): "says what is wrong where no session can be opened",
    ("cli.session", "operations.setting_origins"): "`-v` names the settings of an open session, as doctor does",
    ("cli.show", "operations.saved_file"): "needs no project: a file that was saved is all there is",
    ("cli.schema", "manifests.json_schema"): "does no project work: prints a schema",
    ("cli.init", "manifests.json_schema"): "does no project work: writes a project's first files",
    ("cli.init", "manifests.find_files"): "likewise",
    ("cli.init", "manifests.open_file"): "likewise",
    ("cli.init", "settings.settings"): "likewise",
    ("cli.init", "settings.git"): "likewise",
    ("cli.demo", "simulator.server"): "does no project work of its own: serves the stand-in to other commands",
    ("cli.demo", "simulator.world.sample"): "likewise",
    ("cli.simulator", "simulator"): "does no project work: serves the stand-in",
}
"""The other imports of the command line's modules: (module, module or room) → why."""

MOST_LINES_OF_A_COMMAND = 30
"""Beside its options and its help."""

INTO_THE_SIMULATOR = {"cli.simulator", "cli.demo"}
"""A local stand-in of the API is nothing that the program depends on."""

DOORS = {
    "click": ["cli"],
    "httpx": ["client", "forge.http"],
    "certifi": ["client.http.certifi_file"],
    "truststore": ["client.http.trust"],
    "msgspec": ["client"],
    "yaml": ["manifests.yaml_reader"],
    "jsonschema": ["manifests.schema_faults"],
    "sqlalchemy": ["ledger"],
    "alembic": ["ledger"],
    "starlette": ["simulator"],
    "uvicorn": ["simulator"],
    "deepdiff": ["manifests.deep_differences"],
    "re2": [],
    "cronsim": ["manifests.calendar"],
    "prometheus_client": ["fleet.monitoring.metrics"],
    "opentelemetry": ["fleet.monitoring.steps"],
    "procrastinate": ["fleet.engine"],
    "psycopg": ["fleet.engine"],
}
"""Distribution → the only rooms or modules that may import it."""

OTHER_DOORS = {
    ("simulator", "httpx"): "its transport lets httpx clients reach it in-process",
    ("simulator", "msgspec"): "a server of its own, with its own wire format",
    ("simulator", "pytest"): "a plugin with fixtures for other people's tests",
    ("cli.simulator", "msgspec"): "reads a fault given on the command line",
    ("documents.snapshot_file", "msgspec"): "a snapshot is typed MessagePack: small, and checked while it is decoded",
    ("documents.snapshot_history", "msgspec"): "the part of a snapshot that is a table's history",
    ("model.regex", "re2"): "searches by the patterns of manifests: a decision, pure and in time linear in the text",
    ("fleet.written", "msgspec"): "what an apply's limits are written as, checked while they are decoded",
    ("manifests.shapes", "msgspec"): "types decide fast whether a document is sound",
    ("manifests.loader", "msgspec"): "what a document leaves out",
    ("manifests.run_loader", "msgspec"): "what a document leaves out",
    ("settings.project_shape", "msgspec"): "types decide fast whether a project file is sound",
}
"""Further doors: (module or room, distribution) → why."""

WIRES = {
    "http.client": set(),
    "urllib.request": set(),
    "asyncio": {"client.run_call", "fleet.engine"},
}
"""Module of the standard library that sends → the only modules outside the simulator that may import it."""

PURE = """
text model spending planning documents render errors version
"""
"""Rooms that read no clock, file, socket or environment."""

PURE_LIBRARY = """
array base64 bisect collections csv dataclasses datetime decimal difflib enum fnmatch functools hashlib heapq hmac html
ipaddress itertools json math operator re struct types typing unicodedata urllib.parse xml.sax.saxutils zlib
"""
"""Their imports from the standard library."""

IMPURE = {
    *(("spending.protocol", name) for name in ("threading", "concurrent.futures", "queue")),
    ("spending.elapsed", "time"),
}
"""Their other imports: an apply sends for several tables at once, its time and chance handed to it; and the clock
that deadlines are measured by."""

IMPURE_NAMES = """
open print input exec eval compile __import__ breakpoint
"""
IMPURE_ATTRIBUTES = """
now today utcnow
"""
"""Of datetime: a clock."""

LATE_IMPORTS = {
    "__init__": "the face's `__getattr__` loads a name when it is first used, so that importing the package is free",
    "client": "httpx is loaded to send what a plan does not send; certifi and e-mail's dates where they are met",
    "cli": "a command's module is loaded when it is called, so that `--help` is fast",
    "fleet": "the job queue is an extra, and is loaded once it is needed",
    "ledger": "SQLAlchemy is loaded when a ledger is opened, alembic only where a store has to be migrated",
    "manifests.compare": "deepdiff is loaded only where two states of a project are compared",
    "manifests.json_schema": "jsonschema is loaded only where types do not say that a value is sound",
    "manifests": "time zones are loaded only where a manifest or a project has a calendar",
    "operations": "a verb's module is loaded when a session calls it, so that a plan is not charged for an apply",
}
"""Where `importlib.import_module` or `__import__` may be called, and why; never a statement in a function."""

FORBIDDEN_NAMES = """
utils util helpers helper common manager base core handler
"""
OF_A_CHANGE = {"BaseLimits", "with_base_limits", "resolve_base", "manifests_of_base"}
"""Names that say *base* and mean the commit that a change is compared with."""

MOST_LINES = 400

BUDGETS = {
    "reconciler": {"noqa": 9, "type: ignore": 3},
    "tests": {"noqa": 20, "type: ignore": 8, "skip or xfail": 5},
}
"""How often each escape stands in the code: none more, and a budget that is not used up is lowered."""


@dataclass(frozen=True)
class Module:
    """A Python file of the package."""

    path: Path
    name: str
    """Dotted, without `reconciler.`; a package goes by its own name."""

    @cached_property
    def tree(self) -> ast.Module:
        """The source, parsed when a test looks at it: every process imports these tests."""
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, each before those in it."""
        return list(ast.walk(self.tree))

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
        found[name] = Module(path, name)
    return found


def imported(module: Module) -> Iterator[str]:
    """Yield the full name of everything a module imports, `from a import b` as `a.b`."""
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
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


@cache
def arrows() -> dict[str, set[str]]:
    """Return each room and the other rooms that its modules import."""
    found: dict[str, set[str]] = {}
    for module in modules().values():
        others = {other.partition(".")[0] for other in imported_modules(module)}
        found.setdefault(module.room, set()).update(others - {module.room})
    return found


def test_the_rooms_are_those_of_the_contracts() -> None:
    """A new room is given its sentence here, and one that has gone loses it; there are few enough to keep in mind."""
    rooms = {module.room for module in modules().values()} - ROOT
    assert rooms == set(CONTRACTS)
    assert len(rooms) <= MOST_ROOMS


def test_each_room_imports_what_its_contract_says_and_no_more() -> None:
    """Exactly that: a permission that no import needs is taken out of the list."""
    found = {room: others - ROOT for room, others in arrows().items() if room not in ROOT}
    assert found == {room: set(allowed.split()) for room, allowed in CONTRACTS.items()}
    assert sum(map(len, found.values())) <= MOST_ARROWS
    assert "errors" not in arrows()["text"]


def test_the_modules_beside_the_rooms_import_as_little() -> None:
    """The version stands alone, so that importing it leads nowhere."""
    assert {name: arrows().get(name, set()) for name in ROOT} == {
        name: set(allowed.split()) for name, allowed in ROOT_IMPORTS.items()
    }


def test_contracts_point_one_way() -> None:
    """Rooms can be put in an order in which each imports only those before it."""
    left = {room: set(allowed.split()) for room, allowed in CONTRACTS.items()}
    while left:
        free = {room for room, allowed in left.items() if not allowed & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {room: allowed for room, allowed in left.items() if room not in free}


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
    assert users == INTO_THE_SIMULATOR


def test_a_command_calls_a_session_and_nothing_below_it() -> None:
    """Whoever writes `import reconciler` can do whatever a command does; what goes beside the face says why."""
    beside = set()
    for module in modules().values():
        if module.room == "cli":
            for other in imported_modules(module):
                if other.partition(".")[0] not in OF_COMMANDS.split():
                    room = other.partition(".")[0]
                    beside.add((module.name, room if (module.name, room) in BESIDE_THE_FACE else other))
    assert beside == set(BESIDE_THE_FACE)


def test_a_command_is_short() -> None:
    """It parses, calls, prints and ends; what takes longer has a name of its own."""
    lengths = {}
    for module in modules().values():
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef) and "exits" in map(ast.unparse, node.decorator_list):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lengths[f"{module.name}.{node.name}"] = body[-1].end_lineno - body[0].lineno + 1  # type: ignore[operator]
    assert len(lengths) > len(BESIDE_THE_FACE)
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_COMMAND} == {}


def foreign(module: Module) -> set[str]:
    """Return the top names that a module imports from elsewhere than the standard library and the package."""
    names = {name.partition(".")[0] for name in imported(module)}
    return names - sys.stdlib_module_names - {"reconciler"}


def test_each_dependency_has_one_door() -> None:
    """A library's types stay behind the module that knows it; a door that is not used is closed."""
    wrong, closed = set(), {(library, room) for library, rooms in DOORS.items() for room in rooms}
    for module in modules().values():
        for library in foreign(module):
            assert library in DOORS or library == "pytest", f"{module.name} imports {library}, which has no door"
            closed -= {(library, room) for room in DOORS.get(library, []) if is_in(module, [room])}
            if not is_in(module, DOORS.get(library, [])):
                exceptions = [room for room, through in OTHER_DOORS if through == library]
                by = next((room for room in exceptions if is_in(module, [room])), module.name)
                wrong.add((by, library))
    assert wrong == set(OTHER_DOORS)
    assert closed == set()


def parents(name: str) -> set[str]:
    """Return a dotted name and those of everything around it."""
    return set(accumulate(name.split("."), "{}.{}".format))


def test_what_sends_has_one_door_too() -> None:
    """Also where it is the standard library's."""
    users: dict[str, set[str]] = {library: set() for library in WIRES}
    for module in modules().values():
        for library in WIRES:
            if module.room != "simulator" and any(f"{name}.".startswith(f"{library}.") for name in imported(module)):
                users[library].add(module.name)
    assert users == WIRES


PURE_MODULES = sorted(name for name, module in modules().items() if module.room in PURE.split())


@pytest.mark.parametrize("name", PURE_MODULES)
def test_the_decisions_are_pure(name: str) -> None:
    """No clock, file, socket, environment or chance; those are handed in."""
    module = modules()[name]
    standard = [each for each in imported(module) if each.partition(".")[0] in sys.stdlib_module_names]
    allowed = set(PURE_LIBRARY.split()) | {library for room, library in IMPURE if room == name}
    assert [each for each in standard if not allowed & parents(each)] == []
    assert foreign(module) <= {library for room, library in OTHER_DOORS if room == name}
    for node in module.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in IMPURE_NAMES.split(), f"{module.path}:{node.lineno}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in IMPURE_ATTRIBUTES.split(), f"{module.path}:{node.lineno}"


def test_nothing_is_allowed_to_the_decisions_that_none_of_them_needs() -> None:
    """Else the list would not say what they rest on."""
    imports = {name: {path for each in imported(modules()[name]) for path in parents(each)} for name in PURE_MODULES}
    assert set(PURE_LIBRARY.split()) - {path for paths in imports.values() for path in paths} == set()
    assert {(name, library) for name, library in IMPURE if library not in imports.get(name, ())} == set()


COULD_IMPORT_LATE = re.compile(r"^\s+(import|from)\s|import_module|__import__", re.MULTILINE)
"""In a module without any of these no function imports."""


def test_no_import_hides_in_a_function() -> None:
    """Neither as a statement nor through importlib, but where a comment says why."""
    late = set()
    for module in modules().values():
        if not COULD_IMPORT_LATE.search(module.path.read_text(encoding="utf-8")):
            continue
        for function in module.nodes:
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            for node in ast.walk(function):
                assert not isinstance(node, ast.Import | ast.ImportFrom), f"{module.path}:{function.lineno}"
                called = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
                if called in ("import_module", "__import__"):
                    late.add(next((room for room in LATE_IMPORTS if is_in(module, [room])), module.name))
    assert late == set(LATE_IMPORTS)


def test_only_the_commands_print() -> None:
    """Everything else returns what it has to say, or raises it."""
    for module in modules().values():
        if module.room == "cli":
            continue
        for node in module.nodes:
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
        for node in module.nodes
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    forbidden = set(FORBIDDEN_NAMES.split())
    assert {name for _, name in named if forbidden & set(words(name))} == OF_A_CHANGE


def words(name: str) -> list[str]:
    """Return the words of a name, however they are joined."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def test_every_module_opens_with_why_it_exists() -> None:
    """In a docstring."""
    assert [name for name, module in modules().items() if not ast.get_docstring(module.tree)] == []


IN_COMMENTS = ("noqa", "type: ignore", "pragma: no cover")
LEFT_OUT = re.compile(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)")


def escapes(path: Path) -> Iterator[str]:
    """Yield the escapes from the rules that stand in a file."""
    text = path.read_text(encoding="utf-8")
    # Most files have none, and taking each apart takes seconds.
    if any(word in text for word in IN_COMMENTS):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield from (word for word in IN_COMMENTS if word in token.string)
    if LEFT_OUT.search(text):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and LEFT_OUT.fullmatch(ast.unparse(node)):
                yield "skip or xfail"


@pytest.mark.parametrize("folder", BUDGETS)
def test_escapes_stay_within_their_budget(folder: str) -> None:
    """Whoever needs one more, or one less, has to say so here."""
    found = Counter(escape for path in sorted((PROJECT / folder).rglob("*.py")) for escape in escapes(path))
    assert found == BUDGETS[folder]
