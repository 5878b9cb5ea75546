"""Steps of the work: the ids in which a log line stands, and the spans of a trace, from one place, so that they agree.

Ids only. No value of a cell, no token and no message of an error ever becomes part of a span. Without OpenTelemetry
there are no spans, and without its SDK they lead nowhere: `opentelemetry-instrument reconciler worker …` sets that up.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

try:
    from opentelemetry import trace
    from opentelemetry.trace import Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    HAS_TRACES = True
except ModuleNotFoundError:
    HAS_TRACES = False

NAMES = frozenset(["apply", "call", "job", "plan", "schedule", "table", "workspace"])
"""The kinds of ids that there are."""
_ID = re.compile(r"[\w.:@/+-]{1,128}", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_ids: ContextVar[Mapping[str, str]] = ContextVar("reconciler_ids", default=MappingProxyType({}))


@contextmanager
def step(name: str, *, parent: str = "", **ids: str | int) -> Iterator[None]:
    """Take a step: log lines within it carry its ids and those of the steps around it, and it is a span.

    `parent` is the `traceparent` of a step in another process. Raises ValueError for an id that does not look like one.
    """
    own = {key: _checked(key, str(value)) for key, value in ids.items()}
    token = _ids.set({**_ids.get(), **own})
    try:
        if HAS_TRACES:
            with _span(name, parent, own):
                yield
        else:
            yield
    finally:
        _ids.reset(token)


def current_ids() -> dict[str, str]:
    """Return the ids of the steps that are being taken, with those of the trace, for a line of the log."""
    found = dict(_ids.get())
    if HAS_TRACES:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            found |= {"trace": trace.format_trace_id(context.trace_id), "span": trace.format_span_id(context.span_id)}
    return found


def traceparent() -> str:
    """Return the present span as a job's arguments carry it to another process (W3C); empty without one."""
    carrier: dict[str, str] = {}
    if HAS_TRACES:
        TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


class Surroundings:
    """The steps that were being taken when this was made, for work in threads that were not begun within them."""

    def __init__(self) -> None:
        self._ids = _ids.get()
        self._parent = traceparent()

    @contextmanager
    def step(self, name: str, **ids: str | int) -> Iterator[None]:
        """Take a step within them, as `step` does."""
        with step(name, parent=self._parent, **{**self._ids, **ids}):
            yield


def _checked(key: str, value: str) -> str:
    if key not in NAMES or not _ID.fullmatch(value):
        raise ValueError(f"not an id: {key}")
    return value


@contextmanager
def _span(name: str, parent: str, ids: Mapping[str, str]) -> Iterator[None]:
    context = None
    if _TRACEPARENT.fullmatch(parent):
        context = TraceContextTextMapPropagator().extract({"traceparent": parent})
    attributes = {f"reconciler.{key}": value for key, value in ids.items()}
    tracer = trace.get_tracer("reconciler")
    # The message of an error may hold words of the API; its class does not.
    with tracer.start_as_current_span(
        name, context=context, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
