"""The job queue, and the only module that knows it: Procrastinate, in a schema of its own beside the ledger's tables.

A job is a hint that some units are due, and holds nothing but ids: the units' rows decide. So a job may be lost or
delivered twice, and an upgrade of Procrastinate needs no migration: each version of its schema has its own name, and
what was queued in another is found by the units' rows.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.schema import SchemaManager
from psycopg import sql

from reconciler.errors import Unwritable
from reconciler.fleet.split import jobs, weight
from reconciler.model.submitted import FORMAT, Unit

# What goes wrong below is told once, by the worker. Without a handler Python would print what the libraries log.
for _library in ("procrastinate", "psycopg.pool"):
    logging.getLogger(_library).addHandler(logging.NullHandler())
    logging.getLogger(_library).propagate = False

_SCHEMA = SchemaManager.get_schema()
SCHEMA_NAME = f"reconciler_jobs_{hashlib.sha256(_SCHEMA.encode()).hexdigest()[:8]}"
_LOCK = "SELECT pg_advisory_xact_lock(7263547113)"
_IS_THERE = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s"
_SEND = "send"
# Infinity, and dates before the year 1 or after 9999.
_DROP_UNREADABLE = "DELETE FROM procrastinate_jobs WHERE scheduled_at NOT BETWEEN '1970-01-01' AND '9000-01-01'"
AGAIN_SECONDS = 2.0
"""Between tries to use the queue after an error."""
PUT_BACK_SECONDS = 5
"""After which a job of a newer version is offered again, so that a newer worker may take it."""


@dataclass(frozen=True, slots=True)
class SendJob:
    """Units of one apply that are due."""

    apply_id: str
    numbers: tuple[int, ...]
    lag_seconds: float = 0.0
    """How long ago it was enqueued, by the clocks of two machines."""


class NewerJob(Exception):
    """The job was made by a newer version: it goes back into the queue."""


class _PutBack(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Offer a job again that a newer worker has to take; anything else is told by the units' rows."""
        return RetryDecision(retry_in={"seconds": PUT_BACK_SECONDS}) if isinstance(exception, NewerJob) else None


class _Jobs(JobManager):
    """The jobs of a worker, which may have been frozen: others may have taken them over, or done them."""

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Take a job, if there is one. Arguments that are not an object are dropped: the job then fails."""
        job = await super().fetch_job(queues, worker_id)
        return job if job is None or isinstance(job.task_kwargs, dict) else job.evolve(task_kwargs={})

    async def drop_unreadable(self) -> None:
        """Drop jobs that the driver cannot read: they would be fetched first, and in vain, for ever."""
        with suppress(ConnectorException):
            await self.connector.execute_query_async(_DROP_UNREADABLE)

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """End a job, if it is still there; one that is not ended is delivered again, and then finds nothing to do."""
        with suppress(ConnectorException):
            await super().finish_job(job, status, delete_job)


class Engine:
    """The queue in one database."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        """`arguments` are those of psycopg's `connect`."""
        options = f"{arguments.get('options', '')} -c search_path={SCHEMA_NAME}".strip()
        self._arguments = {
            **arguments,
            "options": options,
            "client_encoding": "utf8",
            "application_name": "extruct-reconciler worker",
        }

    def prepare(self) -> None:
        """Create the queue's tables unless they are there. Raises Unwritable."""
        try:
            with psycopg.connect(**self._arguments) as connection:
                if connection.execute(_IS_THERE, (SCHEMA_NAME,)).fetchone():
                    return
                connection.execute(_LOCK)
                if connection.execute(_IS_THERE, (SCHEMA_NAME,)).fetchone():
                    return
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA_NAME)))
                connection.execute(_SCHEMA.encode())
        except psycopg.Error as error:
            hint = "The ledger's role must be allowed to create a schema there, once; the database has to be UTF8."
            if isinstance(error, psycopg.OperationalError):
                hint = "Check that the ledger's server can be reached, and that it takes writes and more connections."
            raise Unwritable(
                f"the queue of jobs beside the ledger cannot be prepared: {type(error).__name__}", hint=hint
            ) from None

    @staticmethod
    def enqueue(connection: Any, workspace: str, units: Sequence[Unit]) -> None:
        """Add jobs for units within the transaction of an open psycopg connection."""
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(SCHEMA_NAME)))
        app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
        of = {unit.apply_id for unit in units}
        now = round(time.time(), 3)
        made = [
            Job(
                queue=workspace,
                lock=None,
                queueing_lock=None,
                task_name=_SEND,
                task_kwargs={"format": FORMAT, "apply_id": apply_id, "numbers": list(numbers), "at": now},
            )
            for apply_id in sorted(of)
            for numbers in jobs((unit.number, weight(unit)) for unit in units if unit.apply_id == apply_id)
        ]
        try:
            app.job_manager.batch_defer_jobs(made, connection=connection)
        except ConnectorException as error:
            raise Unwritable(
                f"the queue of jobs beside the ledger cannot be written: {type(error.__cause__ or error).__name__}",
                hint="Look at the log of the ledger's server; then try again.",
            ) from None

    def run(self, worker: "WorkerLoop") -> None:
        """Take jobs until the worker is told to stop; those under way are finished. Raises Unwritable."""
        try:
            asyncio.run(_Running(self._arguments, worker).run())
        except (ConnectorException, psycopg.Error) as error:
            raise Unwritable(
                f"the queue of jobs beside the ledger gave an error: {type(error).__name__}",
                hint="Start the worker again once the ledger's server can be reached.",
            ) from None


@dataclass(frozen=True, slots=True)
class WorkerLoop:
    """The functions of a worker that the queue calls, each from a thread; none raises anything."""

    workspaces: tuple[str, ...]
    concurrency: int
    send: Callable[[SendJob], None]
    tick: Callable[[], None]
    """Called every `tick_seconds`, in a thread of its own: nothing of it waits for a job."""
    tick_seconds: float
    dead_after_seconds: float
    """How long a worker may be silent before its jobs are delivered to others."""
    on_trouble: Callable[[str], None]
    """Told when the queue cannot be used for now; the worker goes on once it can."""
    on_started: Callable[[Callable[[], None]], None]
    """Told how to end the worker; that function may be called from any thread, and from a signal handler."""
    on_recovered: Callable[[], None] = lambda: None
    """Told of each job that a silent worker had and that is delivered again."""


class _Running:
    def __init__(self, arguments: dict[str, Any], worker: WorkerLoop) -> None:
        self._worker = worker
        self._connector = procrastinate.PsycopgConnector(kwargs=arguments, min_size=1, max_size=1)
        self._app = procrastinate.App(connector=self._connector)
        self._app.job_manager = self._jobs = _Jobs(self._connector)
        self._pool = ThreadPoolExecutor(worker.concurrency, thread_name_prefix="send")
        self._ticks = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._app.task(name=_SEND, retry=_PutBack())(self._send)

    async def _send(self, **job: Any) -> None:
        if job["format"] > FORMAT:
            raise NewerJob
        lag = time.time() - float(job.get("at", time.time()))
        due = SendJob(str(job["apply_id"]), tuple(map(int, job["numbers"])), lag)
        await asyncio.get_running_loop().run_in_executor(self._pool, self._worker.send, due)

    async def run(self) -> None:
        worker = self._worker
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        work: asyncio.Future[None] | None = None

        def stop() -> None:
            ended.set()
            if work is not None:
                work.cancel()

        def end() -> None:
            with suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(stop)

        async with self._app.open_async():
            watch = asyncio.ensure_future(self._watch(ended))
            worker.on_started(end)
            try:
                while not ended.is_set():
                    work = asyncio.ensure_future(self._take_jobs())
                    try:
                        await work
                    except asyncio.CancelledError:
                        break
                    except (ConnectorException, psycopg.Error) as error:
                        # The server has gone away for a while, or has forgotten a worker that was frozen.
                        worker.on_trouble(f"the queue of jobs gave an error: {type(error).__name__}; trying again")
                        with suppress(TimeoutError):
                            await asyncio.wait_for(ended.wait(), AGAIN_SECONDS)
            finally:
                # Not cancelled: the pool of connections may lose a cancellation, and the worker would never end.
                ended.set()
                await watch
                self._pool.shutdown()
                self._ticks.shutdown()

    async def _take_jobs(self) -> None:
        worker = self._worker
        await self._sweep()
        await self._app.run_worker_async(
            queues=list(worker.workspaces),
            concurrency=worker.concurrency,
            delete_jobs="always",
            fetch_job_polling_interval=max(1.0, worker.tick_seconds),
            install_signal_handlers=False,
            update_heartbeat_interval=worker.dead_after_seconds / 4,
            stalled_worker_timeout=worker.dead_after_seconds,
        )

    async def _watch(self, ended: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        swept = loop.time()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), self._worker.tick_seconds)
            if ended.is_set():
                return
            await loop.run_in_executor(self._ticks, self._worker.tick)
            if loop.time() - swept > self._worker.dead_after_seconds / 4:
                swept = loop.time()
                await self._sweep()

    async def _sweep(self) -> None:
        """Deliver again what workers took that have gone silent."""
        await self._jobs.drop_unreadable()
        with suppress(ConnectorException, psycopg.Error):
            for job in await self._jobs.get_stalled_jobs(seconds_since_heartbeat=self._worker.dead_after_seconds):
                with suppress(ConnectorException):  # another worker was faster
                    await self._jobs.retry_job(job)
                    self._worker.on_recovered()
