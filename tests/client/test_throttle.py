"""How many reads are out at once: halved when the API objects, grown again, and held for all when it says how long."""

import threading
import time

from reconciler.client import Reader
from reconciler.client.http.throttle import Throttle, Window
from reconciler.model.observed import TableSnapshot
from tests.client.live_tables import Api, LiveTable, column, options, uid
from tests.client.wire_server import Exchange, WireServer


def test_an_objection_halves_the_window_once_a_round() -> None:
    """Sixteen requests that were out together object together: that is one objection."""
    window = Window(16)
    for _ in range(16):
        window.objected(0)
    assert window.limit == 8
    window.objected(1)
    assert window.limit == 4
    for round_ in range(2, 20):
        window.objected(round_)
    assert window.limit == 1


def test_the_window_grows_by_about_one_a_round_and_never_beyond_its_most() -> None:
    """As many answers as may be out make a round."""
    window = Window(16)
    window.objected(0)
    for _ in range(9):
        window.went_well()
    assert window.limit == 9
    for _ in range(1000):
        window.went_well()
    assert window.limit == 16


def test_a_hold_is_for_everyone_but_the_one_who_slept_it_out() -> None:
    """And it ends by the clock."""
    now, slept = [100.0], list[float]()
    throttle = Throttle(4, slept.append, lambda: now[0])
    until = throttle.objected(0, 7.0)
    assert until == 107.0
    with throttle.passage(patient_until=until):
        assert slept == []
    with throttle.passage(patient_until=0.0):
        assert slept == [7.0]
    now[0] = 107.0
    with throttle.passage(patient_until=0.0):
        assert slept == [7.0]


def test_a_narrow_window_lets_no_more_through() -> None:
    """A third one waits until one of two has left."""
    throttle = Throttle(4, lambda seconds: None)
    throttle.objected(0, 0.0)
    inside = threading.Semaphore(0)
    leave = threading.Event()

    def pass_through() -> None:
        with throttle.passage(0.0):
            inside.release()
            leave.wait(5)

    threads = [threading.Thread(target=pass_through) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=5)
    assert inside.acquire(timeout=5)
    assert not inside.acquire(timeout=0.05)
    leave.set()
    assert inside.acquire(timeout=5)
    for thread in threads:
        thread.join()


def test_a_server_that_takes_four_at_once_is_read_by_about_four() -> None:
    """Everything arrives, and objections stay few although sixteen workers want to read."""
    tables = [LiveTable([column(2, "a")], id=uid(number)).add_rows([{"a": None}]) for number in range(150)]
    at_once, objections = 0, 0
    lock = threading.Lock()
    api = Api(*tables)

    def behave(exchange: Exchange) -> None:
        nonlocal at_once, objections
        with lock:
            at_once += 1
            is_too_much = at_once > 4
            objections += is_too_much
        time.sleep(0.005)
        if is_too_much:
            exchange.answer(503)
        else:
            api(exchange)
        with lock:
            at_once -= 1

    with WireServer(behave) as server, Reader(options(server.url), random=lambda: 0.01) as reader:
        found = reader.read_tables({table.id: frozenset() for table in tables})
    assert all(isinstance(one, TableSnapshot) for one in found.values())
    assert objections < 120  # 500 and many tables lost without the window


def test_a_retry_after_holds_all_workers() -> None:
    """After the objection nothing arrives until its time has passed, whoever was told of it."""
    arrived: list[float] = []
    told: list[float] = []
    tables = [LiveTable([], id=uid(number)) for number in range(40)]
    api = Api(*tables)

    def behave(exchange: Exchange) -> None:
        arrived.append(time.monotonic())
        if exchange.number == 10:
            told.append(time.monotonic())
            exchange.answer(429, b"", {"Retry-After": "1"})
        else:
            time.sleep(0.01)
            api(exchange)

    with WireServer(behave) as server, Reader(options(server.url, concurrency=4)) as reader:
        reader.read_tables({table.id: frozenset() for table in tables})
    assert len(arrived) == 41
    held = [moment for moment in arrived if told[0] + 0.1 < moment < told[0] + 0.9]
    assert held == []


def test_one_who_waits_is_not_overtaken() -> None:
    """In a narrow window a request that waits would wait until all others were sent."""
    throttle = Throttle(1, lambda seconds: None)
    inside, leave = threading.Event(), threading.Event()

    def pass_through() -> None:
        with throttle.passage(0.0):
            inside.set()
            leave.wait(5)

    assert throttle.enter_at_once() == 0
    thread = threading.Thread(target=pass_through)
    thread.start()
    while not throttle.is_waited_for:
        time.sleep(0.001)
    throttle.leave()
    assert throttle.enter_at_once() is None
    assert inside.wait(5)
    leave.set()
    thread.join()
    assert throttle.enter_at_once() == 0
