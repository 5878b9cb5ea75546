"""Spans in memory. OpenTelemetry takes one provider for the life of a process, so all tests share it.

`from tests.tracing import spans` in a `conftest.py` gives the fixture.
"""

from collections.abc import Iterator
from functools import cache

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@cache
def _exporter() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Return what keeps the spans of a test."""
    exporter = _exporter()
    exporter.clear()
    yield exporter
    exporter.clear()
