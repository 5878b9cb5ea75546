"""Log lines and spans carry the same ids, and nothing but ids."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from reconciler.errors import InDoubt
from reconciler.fleet.monitoring.run_calls import WatchedRunner
from reconciler.fleet.monitoring.steps import current_ids, step, traceparent
from reconciler.model.attempt import Receipt
from reconciler.model.plan import Call
from tests.fleet.monitoring.conftest import Watched
from tests.ledger.calls_and_actors import TABLE, a_call

CANARY = "canary-token-5f0c8f52"
_EXPORTER = InMemorySpanExporter()


@pytest.fixture(scope="module", autouse=True)
def _provider() -> None:
    # OpenTelemetry takes one provider for the life of a process.
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_EXPORTER))
    trace.set_tracer_provider(provider)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Return what keeps the spans of a test."""
    _EXPORTER.clear()
    yield _EXPORTER
    _EXPORTER.clear()


def named(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """Return the spans by name."""
    return {span.name: span for span in spans.get_finished_spans()}


def test_lines_and_spans_carry_the_same_ids(spans: InMemorySpanExporter) -> None:
    """Those of the step and of the steps around it; after it they are gone."""
    assert current_ids() == {}
    with step("send", apply="a1", workspace="gtm"), step("look", table=TABLE):
        found = current_ids()
    assert current_ids() == {}
    assert {name: found[name] for name in ("apply", "workspace", "table")} == {
        "apply": "a1",
        "workspace": "gtm",
        "table": TABLE,
    }
    look, send = named(spans)["look"], named(spans)["send"]
    assert look.context is not None
    assert send.context is not None
    assert (found["trace"], found["span"]) == (f"{look.context.trace_id:032x}", f"{look.context.span_id:016x}")
    assert look.parent is not None
    assert look.parent.span_id == send.context.span_id
    assert dict(send.attributes or {}) == {"reconciler.apply": "a1", "reconciler.workspace": "gtm"}


def test_a_trace_goes_on_in_another_process(spans: InMemorySpanExporter) -> None:
    """By the `traceparent` among a job's arguments; one that is none begins a new trace."""
    with step("submit", apply="a1"):
        carried = traceparent()
    with step("send", parent=carried, apply="a1"):
        pass
    with step("sweep", parent="'; DROP TABLE jobs", job=7):
        pass
    submit, send, sweep = (named(spans)[name] for name in ("submit", "send", "sweep"))
    assert send.context is not None
    assert submit.context is not None
    assert send.context.trace_id == submit.context.trace_id
    assert sweep.parent is None


def test_nothing_but_ids_becomes_part_of_a_span(spans: InMemorySpanExporter) -> None:
    """Neither the message of an error, which may hold words of the API, nor what does not look like an id."""
    with pytest.raises(InDoubt), step("send", apply="a1"):
        raise InDoubt(f"the API said {CANARY}")
    span = named(spans)["send"]
    assert CANARY not in span.to_json()
    assert span.events == ()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "InDoubt")
    for wrong in ({"token": "x"}, {"apply": "two words"}, {"apply": "a\nb"}, {"apply": "x" * 200}):
        with pytest.raises(ValueError, match="not an id"), step("send", **wrong):
            pass


def test_a_call_in_another_thread_belongs_to_its_job(spans: InMemorySpanExporter, watched: Watched) -> None:
    """`send` → `POST …/run`, timed, with the ids of both."""
    seen = {}

    def send(call: Call, begin_by: float) -> Receipt:
        seen.update(current_ids())
        return Receipt("run", call.cells)

    call = a_call(2, table=TABLE)
    with step("send", apply="a1", workspace="gtm"), ThreadPoolExecutor(1) as pool:
        pool.submit(WatchedRunner(send, watched.metrics).send, call, 0.0).result()
    post, sending = named(spans)["POST /v1/tables/{id}/run"], named(spans)["send"]
    assert post.parent is not None
    assert sending.context is not None
    assert post.parent.span_id == sending.context.span_id
    assert (seen["apply"], seen["call"], seen["table"]) == ("a1", call.id, TABLE)
    assert watched.samples()["reconciler_run_call_duration_seconds_count"] == 1


def test_without_opentelemetry_there_are_ids_and_no_spans() -> None:
    """It is optional: log lines keep their ids."""
    script = """
import sys
sys.modules["opentelemetry"] = None
from reconciler.fleet.monitoring.steps import Surroundings, current_ids, step, traceparent
with step("send", apply="a1"), Surroundings().step("call", call="c1"):
    assert current_ids() == {"apply": "a1", "call": "c1"}, current_ids()
    assert traceparent() == ""
"""
    subprocess.run([sys.executable, "-c", script], check=True)
