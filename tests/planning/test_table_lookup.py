"""Names, tags and parents against a workspace, as plainly as they can be said, on random workspaces."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from reconciler.errors import BadResponse
from reconciler.model.manifest import ByName, ByTag, ChildOf, Manifest, Mode, NameAt, Source
from reconciler.model.observed import FINDER_KIND, ListedTable, TableHeader
from reconciler.planning.table_lookup import KnownTables, Resolution, resolve
from tests.example_counts import examples
from tests.planning.tables_and_manifests import NOWHERE, a_column, a_manifest, a_run

NAMES = ["Accounts", "accounts", "Partners"]
TAGS = ["priority", "emea", "none"]
thorough = settings(max_examples=examples(320))


def table_id(number: int) -> str:
    """Return a table's id."""
    return f"a0000000-0000-4000-8000-{number:012d}"


@dataclass(frozen=True)
class Workspace:
    """Tables, which of them are others' children, and manifests that name them."""

    listed: tuple[ListedTable, ...]
    headers: Mapping[str, TableHeader]
    manifests: tuple[Manifest, ...]

    def ask(self, chosen: tuple[Manifest, ...], *, rounds: int = 20) -> tuple[Resolution, int]:
        """Resolve, answering what is asked for and nothing else; return also how many questions there were."""
        facts = KnownTables()
        for asked in range(rounds):
            found = resolve(chosen, self.manifests, facts)
            if not found.asks:
                return found, asked
            if found.asks_for_list:
                assert facts.listed is None
                facts = replace(facts, listed=self.listed)
            assert not found.asks_for_headers & facts.headers.keys()
            new = {table: self.headers[table] for table in found.asks_for_headers}
            facts = replace(facts, headers={**facts.headers, **new})
        raise AssertionError("it asks for ever")

    def naively(self, manifest: Manifest) -> list[str] | str:
        """Return the ids of a manifest's tables, or `wrong` or `pending`."""
        source = manifest.source
        if source is None:
            return [manifest.table_id]
        if isinstance(source, ByName):
            tables = [each.id for each in self.listed if each.name == source.name]
            return tables if len(tables) == 1 else "wrong"
        if isinstance(source, ByTag):
            return [each.id for each in self.listed if source.tag in each.tags] or "wrong"
        (parent,) = [each for each in self.manifests if each.name == source.manifest.text]
        above = self.naively(parent)
        if isinstance(above, str):
            return above
        if len(above) != 1:
            return "wrong"
        header = self.headers[above[0]]
        finders = [each for each in header.columns if each.kind == FINDER_KIND]
        if source.column.text not in [each.key for each in finders] + [each.id for each in finders]:
            return "wrong"
        assert header.children is not None
        if not header.children:
            return "pending"
        return list(header.children) if len(header.children) == len(finders) == 1 else "wrong"


@st.composite
def workspaces(draw: st.DrawFn) -> Workspace:
    """Make up a workspace of up to eight tables, of which the last are children, and up to seven manifests."""
    roots, children = draw(st.integers(0, 5)), draw(st.integers(0, 3))
    ids = [table_id(number) for number in range(roots + children)]
    headers = {}
    for number, identity in enumerate(ids):
        kinds = draw(st.lists(st.sampled_from(["agent", FINDER_KIND, FINDER_KIND]), max_size=3))
        columns = tuple(a_column(10 * number + at, kind=kind, key=f"k{at}") for at, kind in enumerate(kinds))
        # A child stands after its parent, so that no table is its own grandchild.
        later = [other for other in ids[roots:] if other > identity]
        mine = draw(st.lists(st.sampled_from(later), max_size=2, unique=True)) if later else []
        headers[identity] = TableHeader(identity, draw(st.sampled_from(NAMES)), "", columns, tuple(mine))
    listed = tuple(
        ListedTable(each, headers[each].name, "", tuple(draw(st.lists(st.sampled_from(TAGS[:2]), max_size=3))))
        for each in ids[:roots]
    )
    manifests: list[Manifest] = []
    for number in range(draw(st.integers(1, 7))):
        sources: list[Source | None] = [None, *map(ByName, NAMES), *map(ByTag, TAGS)]
        keys = [*(f"k{at}" for at in range(3)), *(each.id for header in headers.values() for each in header.columns)]
        for above in manifests:
            column = draw(st.sampled_from(keys))
            sources.append(ChildOf(NameAt(above.name, NOWHERE), NameAt(column, NOWHERE)))
        source = draw(st.sampled_from(sources))
        table = draw(st.sampled_from(ids)) if source is None and ids else ""
        if source is not None or table:
            made = a_manifest(a_run(Mode.NEW), name=f"m{number}", table=table)
            manifests.append(replace(made, source=source))
    return Workspace(listed, headers, tuple(draw(st.permutations(manifests))))


@thorough
@given(workspaces(), st.integers(0, 127))
def test_a_manifest_means_the_tables_that_a_plain_reading_gives(workspace: Workspace, chosen: int) -> None:
    """Selected or all: each with its id, a tag once for each table, and one problem for each that is wrong."""
    some = tuple(each for number, each in enumerate(workspace.manifests) if chosen >> number & 1)
    found, _ = workspace.ask(some)
    means = {each.name: workspace.naively(each) for each in some}
    for manifest in some:
        tables = [each for each in found.manifests if each.name == manifest.name]
        expected = means[manifest.name]
        assert [each.table_id for each in tables] == ([] if isinstance(expected, str) else expected)
        assert all(replace(each, table_id=manifest.table_id) == manifest for each in tables)
        assert (manifest in found.pending) is (expected == "pending")
        event(expected if isinstance(expected, str) else "found")
    assert len(found.problems) == sum(expected == "wrong" for expected in means.values())
    assert found.unread == frozenset()


@thorough
@given(workspaces())
def test_nothing_is_asked_that_is_not_needed(workspace: Workspace) -> None:
    """Ids alone ask nothing; names and tags the list, once; a child one question for each step above it."""
    for manifest in workspace.manifests:
        _, asked = workspace.ask((manifest,))
        steps, above = 0, manifest
        while isinstance(above.source, ChildOf):
            text = above.source.manifest.text
            (above,) = [each for each in workspace.manifests if each.name == text]
            steps += 1
        # One more for the names of children that are ambiguous.
        assert asked <= (above.source is not None) + steps + (steps > 0)
        if above is manifest:
            assert asked == (manifest.source is not None)


def test_a_list_that_cannot_be_read_is_a_problem_of_every_manifest_that_needs_it() -> None:
    """Also of a child whose parent needs it; those with ids have their tables."""
    wanted = (
        replace(a_manifest(a_run(Mode.NEW), name="name", table=""), source=ByName("Accounts")),
        replace(a_manifest(a_run(Mode.NEW), name="tag", table=""), source=ByTag("priority")),
        replace(
            a_manifest(a_run(Mode.NEW), name="child", table=""),
            source=ChildOf(NameAt("name", NOWHERE), NameAt("k", NOWHERE)),
        ),
        a_manifest(a_run(Mode.NEW), name="id"),
    )
    found = resolve(wanted, wanted, KnownTables(listed=BadResponse("no answer")))
    assert [each.name for each in found.manifests] == ["id"]
    assert len(found.problems) == 3
    assert all("no answer" in each.message for each in found.problems)
    assert found.unread == {"name", "tag", "child"}


def test_children_that_are_not_understood_are_not_guessed() -> None:
    """An answer of another shape is a problem, not a table that is still to come."""
    parent = a_manifest(a_run(Mode.NEW), name="parent", table=table_id(1))
    source = ChildOf(NameAt("parent", NOWHERE), NameAt("people", NOWHERE))
    child = replace(a_manifest(a_run(Mode.NEW), name="child", table=""), source=source)
    columns = (a_column(1, kind=FINDER_KIND, key="people"),)
    header = TableHeader(table_id(1), "Accounts", "company", columns, None)
    found = resolve((child,), (parent, child), KnownTables(headers={table_id(1): header}))
    assert (found.manifests, found.pending) == ((), ())
    assert "in an unknown shape" in found.problems[0].message


def test_a_long_chain_of_children_needs_no_deep_stack() -> None:
    """A thousand manifests, each the child of the one before, of which none has a table yet."""
    first = a_manifest(a_run(Mode.NEW), name="m0", table=table_id(1))
    chain = [first]
    for number in range(1, 1500):
        source = ChildOf(NameAt(f"m{number - 1}", NOWHERE), NameAt("people", NOWHERE))
        chain.append(replace(a_manifest(a_run(Mode.NEW), name=f"m{number}", table=""), source=source))
    columns = (a_column(1, kind=FINDER_KIND, key="people"),)
    header = TableHeader(table_id(1), "Accounts", "company", columns, ())
    found = resolve(chain[-1:], chain, KnownTables(headers={table_id(1): header}))
    assert [each.name for each in found.pending] == ["m1499"]
