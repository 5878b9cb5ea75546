"""A worker's figures for Prometheus. No label is a table, a call or an apply: each would be a series of its own.

Counters and histograms are what this process did. Gauges of the work as a whole come from the store, the same from
every worker, and are left out if the store has not been read for a while: an old figure would look like a fresh one.
"""

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from reconciler.model.attempt import CallResult
from reconciler.model.history import CallState
from reconciler.model.standing import Standing
from reconciler.model.submitted import Phase
from reconciler.version import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FRESH_SECONDS = 60.0
"""How long the figures of the store are shown after they were read."""
EVERYTHING = "all"
"""The `scope` of a budget for all tables together."""
NO_ANSWER = "none"
"""The `code` of a request without an answer."""

_PREFIX = "reconciler"
_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_CALLS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)
_WAITS = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)


class Metrics:
    """The figures of one process. Safe to share between threads."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        """`elapsed` returns seconds since an arbitrary moment, by a clock that cannot be set."""
        self._registry = registry = CollectorRegistry()
        ProcessCollector(namespace=_PREFIX, registry=registry)

        def counter(name: str, said: str, *labels: str) -> Counter:
            return Counter(name, said, labels, namespace=_PREFIX, registry=registry)

        def histogram(name: str, said: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, said, labels, namespace=_PREFIX, registry=registry, buckets=buckets)

        def gauge(name: str, said: str, *labels: str) -> Gauge:
            return Gauge(name, said, labels, namespace=_PREFIX, registry=registry)

        gauge("build_info", "1; the version of the program.", "version").labels(__version__).set(1)
        self._fetched_at = gauge(
            "last_fetch_timestamp_seconds", "When this worker last asked for work, by the store's clock."
        )
        self._calls = counter("run_calls_total", "Attempts to send a run call, by outcome.", "workspace", "state")
        self._cells = counter("cells_requested_total", "Cells of accepted run calls, as the API counts.", "workspace")
        self._credits = counter("credits_committed_total", "Credits of accepted run calls, as planned.", "workspace")
        self._requests = counter("api_requests_total", "Requests to the API.", "workspace", "method", "code")
        self._leases_lost = counter("leases_lost_total", "Tables that another worker took, because a lease ran out.")
        self._recovered = counter("jobs_recovered_total", "Jobs of dead workers that were given to another one.")
        self._call_seconds = histogram("run_call_duration_seconds", "A run call, from name to answer.", _CALLS)
        self._rate_wait = histogram("rate_wait_seconds", "Waiting for the workspace's rate.", _WAITS, "workspace")
        self._write_seconds = histogram("ledger_write_duration_seconds", "A write to the ledger, durable.", _SHORT)
        self._lag = histogram("job_lag_seconds", "From when a job was due to when it was begun.", _WAITS, "job")
        self._standing = _StandingCollector(elapsed)
        registry.register(self._standing)

    def page(self) -> bytes:
        """Return what `/metrics` answers, of CONTENT_TYPE."""
        return generate_latest(self._registry)

    def show(self, standing: Standing) -> None:
        """Show the standing of the work. It was read just now, which also proves that the store answers."""
        self._fetched_at.set(standing.at)
        self._standing.show(standing)

    def call_ended(self, workspace: str, result: CallResult) -> None:
        """Count a call's result; one that was not attempted does not count."""
        ending = result.ending
        if ending is None:
            return
        self._calls.labels(workspace, ending.state.value).inc()
        if ending.state is CallState.ACCEPTED:
            counted = None if ending.receipt is None else ending.receipt.requested_cells
            self._cells.labels(workspace).inc(result.call.cells if counted is None else counted)
            self._credits.labels(workspace).inc(float(result.call.credits or 0))

    def api_answered(self, workspace: str, method: str, status: int | None) -> None:
        """Count a request to the API by the status of its answer; None without one."""
        self._requests.labels(workspace, method, NO_ANSWER if status is None else str(status)).inc()

    def lease_lost(self) -> None:
        """Count a table that was taken from this worker."""
        self._leases_lost.inc()

    def job_recovered(self) -> None:
        """Count a job that was taken from a dead worker."""
        self._recovered.inc()

    def call_took(self, seconds: float) -> None:
        """Note how long a run call was in flight."""
        self._call_seconds.observe(seconds)

    def waited_for_rate(self, workspace: str, seconds: float) -> None:
        """Note a wait for the workspace's rate, also one of 0."""
        self._rate_wait.labels(workspace).observe(seconds)

    def ledger_write_took(self, seconds: float) -> None:
        """Note how long a write to the ledger took."""
        self._write_seconds.observe(seconds)

    def job_began(self, job: str, lag_seconds: float) -> None:
        """Note the begin of a job, by its kind, and how long it had been due; clocks that differ are no lag."""
        self._lag.labels(job).observe(max(0.0, lag_seconds))


class _StandingCollector(Collector):
    """Shows what the store said last, for as long as that is fresh."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._shown: tuple[float, Standing] | None = None

    def show(self, standing: Standing) -> None:
        self._shown = self._elapsed(), standing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        shown = self._shown
        is_fresh = shown is not None and self._elapsed() - shown[0] <= FRESH_SECONDS
        yield from _families(shown[1] if shown is not None and is_fresh else None)


def _families(standing: Standing | None) -> Iterator[GaugeMetricFamily]:
    """Yield the gauges; without a standing they have names and no samples."""
    doubts = _gauge("calls_in_doubt", "Run calls that may have been paid for, and were not cleared up yet.")
    oldest = _gauge("oldest_doubt_seconds", "How long ago the oldest call in doubt was sent; 0 without one.")
    units = _gauge("units", "Tables within running applies, by how far they are.", "phase")
    held = _gauge("workspace_held", "1 while the API asked to wait, and nothing is sent.", "workspace")
    budgets = _gauge("budget_used_ratio", "The share of a budget that is used up.", "scope", "period", "unit")
    if standing is not None:
        doubts.add_metric([], standing.calls_in_doubt)
        oldest.add_metric([], standing.oldest_doubt_seconds)
        for phase in Phase:
            units.add_metric([phase.value], standing.units.get(phase, 0))
        for workspace, is_held in sorted(standing.held.items()):
            held.add_metric([workspace], int(is_held))
        for use in standing.budgets:
            of = use.budget
            # A share that is not known, because of a price, is none: its budget refuses calls, which others tell.
            if use.share is not None and not of.table_id:
                budgets.add_metric([of.label or EVERYTHING, of.period.value, of.unit.value], float(use.share))
    yield from (doubts, oldest, units, held, budgets)


def _gauge(name: str, said: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", said, labels=labels)
