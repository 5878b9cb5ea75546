"""An apply over workers buys what one process buys, and says the same."""

from tests.fleet.conftest import MakeFloor
from tests.journey.desk import FILL, accounts


def test_a_plan_is_carried_out_once(make_floor: MakeFloor) -> None:
    floor = make_floor(accounts())
    floor.write(FILL)
    floor.write("apiVersion: reconciler/v1\nkind: Project\nspec: {}\n", "reconciler.yaml")
    floor.plan()
    apply_id = floor.submit()
    with floor.workers():
        code, report = floor.follow(apply_id)
    assert code == 0, report
    assert set(floor.charged().values()) == {1}
    assert len(floor.charged()) == 8
