"""Worlds that tests begin with, and what they ask of them."""

from collections.abc import Mapping
from typing import Any

import httpx

from reconciler.simulator.testing import LiveSimulator, SimulatorTransport, in_process

GENERIC = "00000000-0000-4000-a000-000000000001"
COMPANY = "00000000-0000-4000-a000-000000000002"


def agent(key: str, prompt: str, **more: Any) -> dict[str, Any]:
    """Return an agent column for a workspace."""
    return {"key": key, "value": {"agent_type": "llm", "prompt": prompt, "output_format": "text"}, **more}


def row_id(number: int) -> str:
    """Return the id of a row that is easy to recognise."""
    return f"00000000-0000-4000-b000-{number:012d}"


WORKSPACE: Mapping[str, Any] = {
    "tables": [
        {
            "id": GENERIC,
            "name": "Facts",
            "columns": [
                {"kind": "input", "key": "topic"},
                agent("fact", "Say a fact on {topic}."),
                agent("joke", "Make a joke of {fact}."),
            ],
            "rows": [
                {"id": row_id(1), "data": {"topic": "sea"}, "cells": {"fact": "done", "joke": "done"}},
                {"id": row_id(2), "data": {"topic": "sky"}, "cells": {"fact": "done", "joke": "failed"}},
                {"id": row_id(3), "data": {"topic": "sun"}, "cells": {"fact": "failed"}},
                {"id": row_id(4), "data": {"topic": "moon"}},
                {"id": row_id(5), "data": {}},
            ],
        },
        {
            "id": COMPANY,
            "name": "Accounts",
            "kind": "company",
            "columns": [agent("funding", "Find the funding."), {"key": "people", "kind": "company_people_finder"}],
            "rows": [{"id": row_id(11), "data": {"input": "stripe.com"}}, {"id": row_id(12), "data": {}}],
        },
    ]
}


class World:
    """A client and a simulator without a socket between them."""

    def __init__(self, workspace: Mapping[str, Any] | None = None, seed: int = 7) -> None:
        self.transport: SimulatorTransport = in_process(workspace, seed=seed)
        self.live: LiveSimulator = self.transport.live
        self.client = httpx.Client(
            transport=self.transport,
            base_url="http://simulator",
            headers={"Authorization": f"Bearer {self.live.token}"},
        )

    def get(self, path: str, **query: Any) -> Any:
        """Return what a GET gives, which must be a success."""
        return self.ask("GET", path, params=query)

    def ask(self, method: str, path: str, expected: int = 200, **options: Any) -> Any:
        """Return what a request gives, which must have the expected status."""
        response = self.client.request(method, path, **options)
        assert response.status_code == expected, response.text
        return response.json()

    def run(self, table: str = GENERIC, mode: str = "new", **scope: Any) -> Any:
        """Run cells by column keys and row ids, and return the receipt."""
        if "columns" in scope:
            scope["columns"] = [self.column(table, key) for key in scope["columns"]]
        return self.ask("POST", f"/v1/tables/{table}/run", json={"mode": mode, **scope})

    def column(self, table: str, key: str) -> str:
        """Return a column's id."""
        return self.live.state.find(table).column(key).id

    def status(self, table: str = GENERIC) -> Any:
        """Return the counters of a table."""
        return self.get(f"/v1/tables/{table}")["status"]

    def cells(self, key: str, table: str = GENERIC) -> list[str]:
        """Return a letter for each row: done, failed, pending, in progress."""
        rows = self.get(f"/v1/tables/{table}/data")["rows"]
        return [row["data"][key]["status"][0] for row in rows]

    def paid(self, key: str, table: str = GENERIC) -> list[int]:
        """Return how often each row's cell of a column was paid for."""
        charges = self.live.charges()
        rows = self.live.state.find(table)
        return [charges.get((table, self.column(table, key), rows.row_ids[slot]), 0) for slot in rows.order]
