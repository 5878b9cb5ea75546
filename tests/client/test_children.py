"""Which child tables a header names, over real sockets: all of them, or that they are unknown."""

from typing import Any

import pytest

from reconciler.client import Reader
from reconciler.model.observed import TableHeader, TableSnapshot
from tests.client.live_tables import TABLE, Api, LiveTable, column, options, uid
from tests.client.wire_server import WireServer


def child(number: int, kind: Any = "company_people") -> dict[str, Any]:
    """Return a relationship as the API shows it."""
    return {"table_id": uid(number), "relationship_type": kind}


class Parent(LiveTable):
    """A table whose header has more to say."""

    more: dict[str, Any] = {}  # noqa: RUF012 - set by each test

    def header(self) -> dict[str, Any]:
        """Return the header with what was set."""
        return {**super().header(), **self.more}


def read(more: dict[str, Any]) -> TableHeader:
    """Return the header that a reader makes of it; the table itself can be read whatever it says."""
    table = Parent([column(1, "site", "input"), column(2, "news")])
    table.more = more
    with WireServer(Api(table)) as server, Reader(options(server.url), random=lambda: 0.0) as reader:
        header = reader.read_headers([TABLE])[TABLE]
        assert isinstance(reader.read_tables({TABLE: frozenset()})[TABLE], TableSnapshot)
    assert isinstance(header, TableHeader)
    return header


@pytest.mark.parametrize("name", ["Accounts", "with a raw \x01"])
@pytest.mark.parametrize(
    ("shown", "children"),
    [
        ({}, ()),
        ({"child_relationships": None}, ()),
        ({"child_relationships": []}, ()),
        ({"child_relationships": [child(7), child(5), child(7)]}, (uid(7), uid(5))),
        ({"child_relationships": [{**child(7), "table_id": uid(10).upper()}]}, (uid(10),)),
        ({"child_relationships": [child(7), child(8, "company_offices")]}, (uid(7),)),
        ({"child_relationships": {"table_id": uid(7)}}, None),
        ({"child_relationships": [child(7), "x"]}, None),
        ({"child_relationships": [child(7), {**child(8), "table_id": "../../admin"}]}, None),
        ({"child_relationships": [child(7), child(8, None)]}, None),
    ],
)
def test_children_are_all_of_them_or_unknown(
    name: str, shown: dict[str, Any], children: tuple[str, ...] | None
) -> None:
    """Nothing is dropped: of two children with one misspelt, the other would be taken for the only one."""
    assert read({"name": name, **shown}).children == children
