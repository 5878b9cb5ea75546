"""Which requests a fault meets, how often, and how faults are set."""

import statistics
from typing import Any

import msgspec
import pytest

from reconciler.simulator.faults import Fault, FaultBook, parse_fault, path_matches
from tests.simulator.workspaces import GENERIC, WORKSPACE, World

PATTERNS = [
    ("/v1/tables", "*", True),
    ("/v1/tables/x/data", "/v1/tables/*/data", True),
    ("/v1/tables/x/data", "/v1/tables/*", False),
    ("/v1/tables/x/data", "/v1/**", True),
    ("/v1/tables", "/v1/tables/*", False),
    ("/v1/billing", "/v1/b*", True),
]


@pytest.mark.parametrize(("path", "pattern", "expected"), PATTERNS)
def test_a_star_stays_within_one_part(path: str, pattern: str, expected: bool) -> None:
    """A fault on a table's header does not meet its data."""
    assert path_matches(path, pattern) is expected


def _met(fault: Fault, requests: int, seed: int = 7) -> list[bool]:
    book = FaultBook(seed, [fault])
    return [book.meet("GET", "/v1/tables", 0).ending is not None for _ in range(requests)]


def test_a_fault_skips_then_strikes_then_is_over() -> None:
    """`skip` lets the first requests go, `times` ends it."""
    assert _met(Fault("close_before", skip=2, times=3), 7) == [False, False, True, True, True, False, False]


def test_a_fault_can_strike_with_a_probability() -> None:
    """About the share of requests is struck, the same ones for the same seed."""
    struck = _met(Fault("reset", probability=0.3), 1000)
    assert 250 < sum(struck) < 350
    assert struck == _met(Fault("reset", probability=0.3), 1000)
    assert struck != _met(Fault("reset", probability=0.3), 1000, seed=8)


def test_another_method_or_path_goes_free() -> None:
    """A fault meets what it names only."""
    book = FaultBook(7, [Fault("reset", method="POST", path="/v1/tables/*/run")])
    assert book.meet("GET", "/v1/tables/x/run", 0).ending is None
    assert book.meet("POST", "/v1/tables/x/rows", 0).ending is None
    assert book.meet("POST", "/v1/tables/x/run", 0).ending is not None


def test_the_first_ending_wins_and_does_not_use_up_the_next() -> None:
    """Two endings that are set once each meet two requests, in their order; a latency comes on top."""
    faults = [Fault("latency", seconds=1), Fault("half", times=1), Fault("garbage", times=1)]
    book = FaultBook(7, faults)
    met = [book.meet("GET", "/v1/tables", 0) for _ in range(3)]
    assert [each.ending.kind if each.ending else None for each in met] == ["half", "garbage", None]
    assert [each.latency for each in met] == [1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "median", "mean"),
    [
        ({"distribution": "fixed"}, 2.0, 2.0),
        ({"distribution": "uniform"}, 2.0, 2.0),
        ({"distribution": "exponential"}, 1.386, 2.0),
        ({"distribution": "lognormal", "sigma": 0.5}, 2.0, 2.266),
    ],
)
def test_latencies_have_their_distribution(settings: dict[str, Any], median: float, mean: float) -> None:
    """Median and mean of many latencies are those of the distribution."""
    book = FaultBook(7, [Fault("latency", seconds=2, **settings)])
    drawn = [book.meet("GET", "/", 0).latency for _ in range(4000)]
    assert statistics.median(drawn) == pytest.approx(median, rel=0.1)
    assert statistics.mean(drawn) == pytest.approx(mean, rel=0.1)


def test_a_fault_is_one_line_on_the_command_line() -> None:
    """A kind and fields as name=value, with headers and a body."""
    text = 'status method=POST path=/v1/tables/*/run status=429 times=2 headers.Retry-After=3 body={"detail":"no"}'
    fault = parse_fault(text)
    assert fault == Fault(
        "status", "POST", "/v1/tables/*/run", 2, status=429, headers={"Retry-After": "3"}, body={"detail": "no"}
    )
    assert parse_fault("status body=Oops").body == "Oops"
    assert parse_fault("latency seconds=0.25 distribution=uniform").seconds == 0.25


@pytest.mark.parametrize(
    "text", ["explode", "status status=99", "reset whenever", "hang second=3", "reset times=0", "status headers.a:b=1"]
)
def test_a_fault_that_makes_no_sense_is_refused(text: str) -> None:
    """Unknown kinds, fields and values out of bounds are a ValueError."""
    with pytest.raises((ValueError, msgspec.ValidationError)):
        parse_fault(text)


def test_faults_are_set_listed_and_lifted_by_the_control_endpoint() -> None:
    """A fault set over HTTP strikes, says how often it did, and can be lifted."""
    world = World(WORKSPACE)
    fault = {"kind": "status", "status": 503, "path": "/v1/billing"}
    number = world.ask("POST", "/__simulator/faults", json=fault)["id"]
    world.ask("GET", "/v1/billing", 503)
    world.get("/v1/tables")
    (listed,) = world.get("/__simulator/faults")
    assert (listed["id"], listed["matched"], listed["met"]) == (number, 1, 1)
    assert listed["fault"] == fault
    world.ask("DELETE", f"/__simulator/faults/{number}")
    world.ask("DELETE", f"/__simulator/faults/{number}", 404)
    world.get("/v1/billing")
    world.ask("POST", "/__simulator/faults", json=fault)
    world.ask("DELETE", "/__simulator/faults")
    assert world.get("/__simulator/faults") == []
    world.ask("POST", "/__simulator/faults", 422, json={"kind": "explode"})


def test_faults_of_the_workspace_come_back_with_a_reset() -> None:
    """A fault in the workspace file strikes from the beginning, and again after a reset."""
    world = World({**WORKSPACE, "faults": [{"kind": "status", "status": 418, "times": 1, "body": "teapot"}]})
    for _ in range(2):
        response = world.client.get("/v1/tables")
        assert (response.status_code, response.text) == (418, "teapot")
        world.get("/v1/tables")
        world.live.reset()


def test_the_control_endpoints_are_never_struck() -> None:
    """A fault on everything leaves the oracle alone, and the oracle is not in the list of requests."""
    world = World(WORKSPACE)
    world.live.fault("status", status=500)
    world.get("/__simulator/charges")
    world.ask("GET", f"/v1/tables/{GENERIC}", 500)
    assert [seen["path"] for seen in world.get("/__simulator/requests")] == [f"/v1/tables/{GENERIC}"]
