"""Definitions for Dagster: a job that plans, submits, and follows the apply, a few minutes at a time.

Dagster's own retries never send anything: `submit` of one plan makes one apply, however often it is called, and
`follow` only reads. The ledger's URL comes from the environment; the API's token is needed by `plan` alone.
"""

import os
import subprocess
from pathlib import Path

import dagster as dg

STILL_RUNS = 8
"""Exit code of `follow`."""


def reconciler(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder."""
    folder = os.environ.get("RECONCILER_FOLDER", "/srv/reconciler")
    return subprocess.run(["reconciler", "-C", folder, *arguments], stdout=subprocess.PIPE, text=True, check=False)


@dg.op(retry_policy=dg.RetryPolicy(max_retries=2, delay=30))
def submit(context: dg.OpExecutionContext) -> str:
    """Plan and submit; return the apply's id. The plan's file is kept, so that a retry submits the same plan."""
    folder = os.environ.get("RECONCILER_FOLDER", "/srv/reconciler")
    plan = Path(folder, ".reconciler", "plans", f"{context.run_id}.json")
    plan.parent.mkdir(parents=True, exist_ok=True)
    if not plan.exists() and (code := reconciler("plan", "--out", str(plan)).returncode):
        plan.unlink(missing_ok=True)
        raise dg.Failure(f"there is nothing to submit: plan ended with exit code {code}", allow_retries=False)
    done = reconciler("submit", "--plan", str(plan))
    if done.returncode:
        raise dg.Failure(f"submit ended with exit code {done.returncode}", allow_retries=False)
    return done.stdout.strip()


@dg.op
def follow(apply: str) -> str:
    """Follow for ten minutes; as long as the apply runs, a retry follows on. Returns the receipt."""
    done = reconciler("follow", apply, "--timeout", "600", "--format", "json")
    if done.returncode == STILL_RUNS:
        raise dg.RetryRequested(max_retries=100, seconds_to_wait=1)
    if done.returncode:
        raise dg.Failure(f"the apply ended with exit code {done.returncode}: {done.stdout}", allow_retries=False)
    return done.stdout


@dg.job(tags={"dagster/concurrency_key": "reconciler"})
def refresh_tables() -> None:
    """Buy what is due."""
    follow(submit())


definitions = dg.Definitions(
    jobs=[refresh_tables],
    schedules=[dg.ScheduleDefinition(job=refresh_tables, cron_schedule="0 3 * * *")],
)
