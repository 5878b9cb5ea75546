"""The alert rules and the dashboard: a worker shows every name in them, and every expression is understood."""

import json
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.fleet.monitoring.metrics import Metrics
from reconciler.model.history import CallState
from reconciler.model.standing import Standing
from tests.fleet.monitoring.test_metrics import NAMES, ended, used
from tests.operations.conftest import OPERATIONS, documents, lint, needs

DASHBOARD = json.loads((OPERATIONS / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
RULES = [rule for group in documents("prometheus/alerts.yml")[0]["groups"] for rule in group["rules"]]
WORDS = {"$__rate_interval": "5m", "$workspace": ".*"}
"""What Grafana puts in the place of its variables."""
OF_PROMETHEUS = {"instance", "job"}
"""Labels that Prometheus itself adds."""


def expressions() -> Iterator[str]:
    """Yield every expression of rules and panels."""
    yield from (rule["expr"] for rule in RULES)
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            text = target["expr"]
            for written, meant in WORDS.items():
                text = text.replace(written, meant)
            yield text


def nodes(tree: Any) -> Iterator[Any]:
    """Yield an expression and all that it is made of."""
    yield tree
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if getattr(tree, part, None) is not None:
            yield from nodes(getattr(tree, part))
    for each in getattr(tree, "args", ()):
        yield from nodes(each)


@pytest.fixture(scope="module")
def shown() -> dict[str, set[str]]:
    """What a worker's page shows once everything has happened: name → labels."""
    metrics = Metrics()
    metrics.call_ended("default", ended(CallState.ACCEPTED))
    metrics.api_answered("default", "GET", 200)
    metrics.waited_for_rate("default", 0.0)
    metrics.job_began("send", 0.0)
    metrics.show(Standing(held={"default": False}, budgets=(used("", "50"),)))
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.page().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_an_expression_names_what_a_worker_shows(expression: str, shown: dict[str, set[str]]) -> None:
    """Its metrics, and the labels that it selects and groups by."""
    every = list(nodes(promql_parser.parse(expression)))
    selectors = [node for node in every if isinstance(node, promql_parser.VectorSelector)]
    assert selectors
    known = OF_PROMETHEUS.union(*(shown[selector.name or ""] for selector in selectors))
    for selector in selectors:
        assert {matcher.name for matcher in selector.matchers.matchers} <= shown[selector.name or ""] | OF_PROMETHEUS
    for node in every:
        assert set(getattr(getattr(node, "modifier", None), "labels", None) or ()) <= known


def test_the_dashboard_shows_every_figure_of_its_own() -> None:
    """None is kept and never looked at; its panels do not overlap."""
    text = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    missing = {name for name in NAMES if f"reconciler_{name}" not in text}
    assert missing == set()
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_alert_is_in_the_guide() -> None:
    """With what to do; a page at night needs no search."""
    guide = (OPERATIONS / "README.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"`{rule['alert']}`" in guide
        assert rule["labels"]["severity"] in ("page", "ticket")


@needs("promtool")
def test_promtool_accepts_the_rules_and_their_tests() -> None:
    """Prometheus's own program: syntax, and when each alert comes and what it says."""
    lint("promtool", "check", "rules", "--lint=all", "--lint-fatal", "prometheus/alerts.yml")
    lint("promtool", "test", "rules", "prometheus/alerts_test.yml")
