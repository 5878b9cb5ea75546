"""A DAG for Apache Airflow 3: plan, submit, and follow the apply, a few minutes at a time.

Airflow's own retries never send anything: `submit` of one plan makes one apply, however often it is called, and
`follow` only reads. The ledger's URL comes from the environment; only `plan` needs the API's token.
"""

import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import PokeReturnValue, dag, task
from airflow.sdk.exceptions import AirflowFailException

PROJECT = os.environ.get("RECONCILER_FOLDER", "/srv/reconciler")
STILL_RUNS = 8
"""Exit code of `follow`."""


def reconciler(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder; its log goes to Airflow's."""
    return subprocess.run(["reconciler", "-C", PROJECT, *arguments], stdout=subprocess.PIPE, text=True, check=False)


@dag(schedule="0 3 * * *", start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1)
def refresh_tables() -> None:
    """Buy what is due, every night."""

    @task
    def submit(run_id: str | None = None) -> str:
        """Plan and submit; return the apply's id. The plan's file is kept, so that a retry submits the same plan."""
        plan = Path(PROJECT, ".reconciler", "plans", f"{run_id}.json")
        plan.parent.mkdir(parents=True, exist_ok=True)
        if not plan.exists() and (code := reconciler("plan", "--out", str(plan)).returncode):
            plan.unlink(missing_ok=True)
            raise AirflowFailException(f"there is nothing to submit: plan ended with exit code {code}")
        done = reconciler("submit", "--plan", str(plan))
        if done.returncode:
            raise AirflowFailException(f"submit ended with exit code {done.returncode}")
        return done.stdout.strip()

    @task.sensor(poke_interval=60, timeout=timedelta(hours=12).total_seconds(), mode="reschedule")
    def follow(apply: str) -> PokeReturnValue:
        """Look in every minute; no slot is held in between. Ends with the receipt."""
        done = reconciler("follow", apply, "--timeout", "5", "--format", "json")
        if done.returncode == STILL_RUNS:
            return PokeReturnValue(is_done=False)
        if done.returncode:
            raise AirflowFailException(f"the apply ended with exit code {done.returncode}: {done.stdout}")
        return PokeReturnValue(is_done=True, xcom_value=done.stdout)

    follow(submit())


refresh_tables()
