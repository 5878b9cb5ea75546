"""`plan` never sends anything but GET, and never spends, whatever goes wrong."""

from typing import Any

import pytest

from tests.journey.desk import Desk

FAULTS: list[dict[str, Any]] = [
    {"kind": "close_before"},
    {"kind": "close_after"},
    {"kind": "reset"},
    {"kind": "half"},
    {"kind": "garbage"},
    {"kind": "garbled"},
    *({"kind": "status", "status": status} for status in (301, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503)),
    {"kind": "reorder"},
    {"kind": "rows_added"},
    {"kind": "rows_removed"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
def test_every_request_of_a_plan_is_a_get(desk: Desk, fault: dict[str, Any]) -> None:
    """A fault that meets the plan's reads once or twice changes nothing about their method."""
    desk.simulator.fault(method="GET", path="/v1/tables/**", times=2, **fault)
    said = desk.run("plan")
    assert {method for method, _, _ in desk.simulator.requests()} == {"GET"}
    assert desk.simulator.charges() == {}
    assert "Traceback" not in said.err + said.out


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_stops_all_reading(desk: Desk, status: int) -> None:
    """401 and 403 are said once, with what to do, and nothing more is asked."""
    desk.simulator.fault("status", status=status)
    said = desk.run("plan")
    assert said.code == 1
    assert "token" in said.err
    assert len(desk.simulator.requests()) == 1
