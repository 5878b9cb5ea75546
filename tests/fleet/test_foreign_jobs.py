"""Rows in the queue that no worker wrote: who can write there alone stops no apply, and directs no token."""

import json
from collections.abc import Sequence

import pytest

from reconciler.fleet.engine import SCHEMA_NAME
from tests.fleet.conftest import MakeFloor
from tests.fleet.test_goes_on import ledger_of
from tests.fleet.test_shared_limits import many, settings, wait_until

INSERT = (
    f"SET search_path TO {SCHEMA_NAME}; "
    "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, scheduled_at) VALUES "
)
AHEAD = 9
"""A priority before that of the jobs of applies."""


@pytest.mark.parametrize(
    "rows",
    [
        ("'{}', '-infinity'", "'{}', '0100-01-01 BC'"),
        ("'null', NULL", "'[1]', NULL", "'{}', NULL", '\'{"format": "x"}\', NULL'),
    ],
    ids=["dates", "arguments"],
)
def test_a_job_that_cannot_be_read_keeps_no_other_from_being_done(make_floor: MakeFloor, rows: Sequence[str]) -> None:
    """It comes first, and is dropped; the apply behind it is carried out."""
    floor = many(make_floor, 1, settings())
    apply_id = floor.submit()
    with ledger_of(floor) as connection:
        for row in rows:
            connection.execute(f"{INSERT} ('default', 'send', {AHEAD}, {row})".encode())
        with floor.workers():
            code, _ = floor.follow(apply_id, 10)
            left = f"SELECT args FROM {SCHEMA_NAME}.procrastinate_jobs".encode()
            wait_until(lambda: not connection.execute(left).fetchall())
    assert code == 0


def test_a_job_gives_no_workspaces_units_to_the_workers_of_another(make_floor: MakeFloor) -> None:
    """They have another token: what they would send is another account's money."""
    floor = many(make_floor, 1, settings())
    others = floor.submit("--workspace", "others")
    job = json.dumps({"format": 1, "apply_id": others, "numbers": [0]})
    with ledger_of(floor) as connection:
        connection.execute(f"{INSERT} ('default', 'send', {AHEAD}, '{job}', NULL)".encode())
    own = floor.submit()
    with floor.workers(concurrency=1):
        assert floor.follow(own)[0] == 0
        assert floor.run("follow", others, "--timeout", "0").code == 8
    assert "1 queued" in floor.run("applies", "show", others).out
