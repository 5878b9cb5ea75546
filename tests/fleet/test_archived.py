"""An apply whose calls were moved into an archive has no receipt any more, and its exit code does not hide them."""

import psycopg

from reconciler.ledger import open_ledger
from tests.fleet.conftest import Floor, MakeFloor
from tests.fleet.test_goes_on import ledger_of
from tests.fleet.test_same_report import manifest, table, table_id
from tests.fleet.test_shared_limits import settings
from tests.journey.desk import agent


def archived(url: str) -> int:
    """Fold what is settled, and archive what is folded; return how many calls went."""
    with open_ledger(url) as ledger:
        ledger.compact(table_id(1))
        with psycopg.connect(url) as connection:
            (now,) = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone() or (0.0,)
        return ledger.archive(now, lambda lines: list(lines))


def bought_twice(make_floor: MakeFloor) -> tuple[Floor, list[str]]:
    """Return a floor and two applies, each of which bought the same cells."""
    floor = make_floor(table(1, agent("news"), rows=3))
    floor.write(settings(), "reconciler.yaml")
    applies = []
    for revision in ("r1", "r2"):
        floor.write(manifest("m-1", 1, f"{{mode: all, columns: [news], revision: {revision}}}"))
        floor.plan()
        applies.append(floor.submit())
        with floor.workers():
            code, report = floor.follow(applies[-1])
        assert (code, report["totals"]["cells_accepted"]) == (0, 3)
    return floor, applies


def test_following_an_archived_apply_says_so(make_floor: MakeFloor) -> None:
    """Not exit 0 with an empty receipt. The newest call of a table stays, and with it its apply."""
    floor, (old, new) = bought_twice(make_floor)
    assert archived(floor.extra["RECONCILER_LEDGER"]) == 1
    said = floor.run("follow", old)
    assert (said.code, said.out) == (1, "")
    assert "archive" in said.err
    assert [each["id"] for each in floor.run("applies", "list", "--format", "json").json["applies"]] == [new]
    code, report = floor.follow(new)
    assert (code, report["totals"]["cells_accepted"]) == (0, 3)


def test_calls_of_an_apply_that_runs_are_not_archived(make_floor: MakeFloor) -> None:
    """Its receipt is still to be written."""
    floor, (old, _) = bought_twice(make_floor)
    with ledger_of(floor) as connection:
        connection.execute("UPDATE reconciler.units SET phase = 'waiting' WHERE apply_id = %s", [old])
    assert archived(floor.extra["RECONCILER_LEDGER"]) == 0
