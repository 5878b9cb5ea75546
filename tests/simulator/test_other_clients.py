"""The calls of the vendor's command-line client, made as it makes them: urllib, compact JSON, the base URL replaced."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.simulator.testing import LiveSimulator, ManualClock, serve


class Client:
    """Sends requests the way that client does."""

    def __init__(self, live: LiveSimulator) -> None:
        self.live = live

    def __call__(self, method: str, path: str, payload: Any = None, query: dict[str, Any] | None = None) -> Any:
        """Return the decoded answer, which must be a success."""
        url = self.live.url + path
        if query:
            url = f"{url}?{urllib.parse.urlencode(query, doseq=True)}"
        headers = {"Authorization": f"Bearer {self.live.token}", "Accept": "application/json"}
        body = None
        if payload is not None:
            body = json.dumps(payload, separators=(",", ":")).encode("utf-8")
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url=url, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read().decode("utf-8"))


@pytest.fixture
def client() -> Iterator[Client]:
    """Return a client of an empty workspace."""
    with serve(clock=ManualClock()) as live:
        yield Client(live)


def test_a_company_workflow(client: Client) -> None:
    """auth user, healthcheck, tables create/list/get/update, rows, columns, run, poll, data, clone, delete."""
    assert client("GET", "/v1/healthcheck") == {"status": "ok"}
    assert client("GET", "/v1/billing")["user"]["email"]
    table = client("POST", "/v1/tables", {"name": "Target Accounts", "kind": "company"})
    path = f"/v1/tables/{table['id']}"
    listing = {"offset": 0, "limit": 20, "scope": "organization", "search": "target", "sort": "-num_rows"}
    assert [each["id"] for each in client("GET", "/v1/tables", query=listing)] == [table["id"]]
    assert client("GET", "/v1/tables", query={"tags": ["portfolio", "priority"]}) == []
    update = {"name": "Target Accounts - Updated", "description": "High-priority accounts for enrichment"}
    assert client("PATCH", path, update)["description"] == update["description"]
    rows = client(
        "POST",
        f"{path}/rows",
        {"rows": [{"data": {"input": "extruct.ai"}}, {"data": {"input": "stripe.com"}}], "run": False},
    )
    change = {"rows": [{"id": rows[0]["id"], "data": {"input": "https://extruct.ai"}}], "run": False}
    assert client("PATCH", f"{path}/rows", change)[0]["data"]["input"]["value"]["answer"] == "https://extruct.ai"
    assert client("GET", f"{path}/rows/{rows[1]['id']}")["id"] == rows[1]["id"]
    research = {"agent_type": "research_pro", "prompt": "Identify expansion signals.", "output_format": "text"}
    signals = {"kind": "agent", "name": "Expansion Signals", "key": "expansion_signals", "value": research}
    finder = {
        "kind": "company_people_finder",
        "name": "Decision Makers",
        "key": "decision_makers",
        "value": {"roles": ["CEO"]},
    }
    added = client("POST", f"{path}/columns", {"column_configs": [signals, finder]})
    assert client("PATCH", f"{path}/columns/{added[0]['id']}", signals)["config"] == signals
    assert len(client("GET", path)["columns"]) == 6
    receipt = client("POST", f"{path}/run", {"mode": "new", "columns": [column["id"] for column in added]})
    assert receipt["num_requested_cells"] == 4
    statuses = []
    for _ in range(3):
        statuses.append(client("GET", path)["status"])
        client.live.advance(8)
    assert [status["run_status"] for status in statuses] == ["running", "running", "idle"]
    data = client("GET", f"{path}/data", query={"offset": 0, "limit": 50})
    assert {row["data"]["expansion_signals"]["status"] for row in data["rows"]} == {"done"}
    (child,) = client("GET", path)["child_relationships"]
    assert client("GET", f"/v1/tables/{child['table_id']}/data")["rows"]
    clone = client("POST", f"{path}/clone", query={"schema_only": "true"})
    assert clone["status"]["num_rows"] == 0
    assert client("DELETE", f"{path}/rows", {"rows": [rows[0]["id"]]}) == [{"id": rows[0]["id"]}]
    client("DELETE", f"{path}/columns/{added[0]['id']}")
    client("DELETE", path)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        client("GET", path)


def test_a_people_workflow(client: Client) -> None:
    """A people table with a local website, contact columns and a reverse lookup."""
    website = {"kind": "input", "name": "Company Website", "key": "company_website"}
    address = {"kind": "input", "name": "Email", "key": "email"}
    table = client("POST", "/v1/tables", {"name": "Contacts", "kind": "people", "column_configs": [website, address]})
    path = f"/v1/tables/{table['id']}"
    person = {
        "input": "Jane Doe, VP Sales, https://linkedin.com/in/jane-doe",
        "company_website": "extruct.ai",
        "email": "j@d.co",
    }
    client("POST", f"{path}/rows", {"rows": [{"data": person}], "run": False})
    configs = [
        {"kind": "email_finder", "name": "Work Email", "key": "work_email"},
        {"kind": "phone_finder", "name": "Direct Phone", "key": "direct_phone"},
        {"kind": "reverse_email_lookup", "name": "Person", "key": "person", "email_column_key": "email"},
    ]
    added = client("POST", f"{path}/columns", {"column_configs": configs})
    assert [column["config"] for column in added] == configs
    client("POST", f"{path}/run", {"mode": "new"})
    client.live.finish()
    (row,) = client("GET", f"{path}/data")["rows"]
    assert "@" in row["data"]["work_email"]["value"]["answer"]
    assert row["data"]["direct_phone"]["value"]["answer"].startswith("+")
    assert row["data"]["person"]["status"] == "done"
