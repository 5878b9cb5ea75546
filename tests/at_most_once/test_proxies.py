"""A proxy refuses, stalls, cuts, answers by itself, before a run call is on its way and after: money counted."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from tests.at_most_once.rival_applies import ALL
from tests.at_most_once.small_tables import CELLS, fill, let_pass, settings, small_table
from tests.client.proxies import (
    CERTIFICATE,
    forward,
    half_an_answer,
    send_on,
    server_context,
    tunnel,
    tunnel_that_stalls,
    tunnel_to_nowhere,
    upstream_answer,
)
from tests.client.wire_server import Exchange, WireServer
from tests.journey.desk import ACCOUNTS, Desk

Behaviour = Callable[[Exchange], None]
BEFORE: dict[str, Behaviour] = {
    "refuses": lambda exchange: exchange.answer(407),
    "fails": lambda exchange: exchange.answer(502),
    "stalls": Exchange.hang,
    "cuts": Exchange.reset,
    "cuts its answer": half_an_answer,
    "opens a tunnel to nowhere": tunnel_to_nowhere,
    "opens a tunnel that stalls": tunnel_that_stalls,
}


def late(answer: Behaviour, url: str) -> Behaviour:
    """Return the behaviour of one who first sends the request on to the server at `url`."""

    def behave(exchange: Exchange) -> None:
        upstream_answer(exchange, url)
        answer(exchange)

    return behave


AFTER: dict[str, Behaviour] = {
    "fails": lambda exchange: exchange.answer(502),
    "refuses": lambda exchange: exchange.answer(407),
    "stalls": Exchange.hang,
    "cuts": Exchange.reset,
    "cuts its answer": half_an_answer,
}
MODES = pytest.mark.parametrize("mode", ["mode: new", ALL], ids=["new", "all"])


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    """Return a desk with one call to make; time stands still."""
    with serve({"tables": [small_table(ACCOUNTS, 10, columns=1)]}, clock=ManualClock()) as simulator:
        desk = Desk(tmp_path / "project", simulator, capsys)
        desk.write(settings(), "reconciler.yaml")
        yield desk


def applied_twice(desk: Desk, mode: str, heal: Callable[[], None]) -> tuple[int, int]:
    """Apply, and again once doubts can be ended; return the first exit code and what was charged by then."""
    desk.write(fill(ACCOUNTS, "accounts", mode, ("news",)))
    first = desk.run("apply", "--yes", "--no-wait")
    charged = sum(desk.charged().values())
    heal()
    desk.simulator.advance(60)
    let_pass(desk, 300)
    desk.run("apply", "--yes", "--no-wait")
    assert max(desk.charged().values(), default=0) <= 1, first.err
    return first.code, charged


class Trouble:
    """Does one thing or the other, until it is healed."""

    def __init__(self, trouble: Behaviour, usual: Behaviour, meets: Callable[[Exchange], bool]) -> None:
        self._trouble, self._usual, self._meets = trouble, usual, meets
        self._is_on = True
        self.met = 0

    def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        is_met = self._is_on and self._meets(exchange)
        self.met += is_met
        (self._trouble if is_met else self._usual)(exchange)

    def heal(self) -> None:
        """End it."""
        self._is_on = False


def is_call(exchange: Exchange) -> bool:
    """Say whether this would cost something."""
    return exchange.request.method == "POST"


@MODES
@pytest.mark.parametrize("how", BEFORE.values(), ids=list(BEFORE))
def test_without_a_tunnel_nothing_is_bought_and_the_next_apply_buys_it(desk: Desk, mode: str, how: Behaviour) -> None:
    """The first tunnel is the reader's, those after it the run call's."""
    trouble = Trouble(how, tunnel, lambda exchange: exchange.number > 0)
    with WireServer(send_on(desk.simulator.url), tls=server_context()) as api, WireServer(trouble) as proxy:
        desk.extra = {"EXTRUCT_API_URL": api.url, "HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(CERTIFICATE)}
        assert applied_twice(desk, mode, trouble.heal) == (6, 0)
    assert trouble.met
    assert list(desk.charged().values()) == [1] * CELLS


@MODES
@pytest.mark.parametrize("how", AFTER.values(), ids=list(AFTER))
@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
def test_within_a_tunnel_the_usual_table_holds(desk: Desk, mode: str, how: Behaviour, is_late: bool) -> None:
    """A failure of a gateway behind the proxy leaves doubt, whether the call had landed by then or not."""
    url = desk.simulator.url
    trouble = Trouble(late(how, url) if is_late else how, send_on(url), is_call)
    with WireServer(trouble, tls=server_context()) as api, WireServer(tunnel) as proxy:
        desk.extra = {"EXTRUCT_API_URL": api.url, "HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(CERTIFICATE)}
        assert applied_twice(desk, mode, trouble.heal) == (7, CELLS if is_late else 0)
    assert trouble.met == 1


@MODES
@pytest.mark.parametrize("how", AFTER.values(), ids=list(AFTER))
@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
def test_without_a_tunnel_a_proxys_own_trouble_is_in_doubt(
    desk: Desk, mode: str, how: Behaviour, is_late: bool
) -> None:
    """Over plain http the proxy takes the call itself, and nothing shows whether it passed it on."""
    trouble = Trouble(late(how, "") if is_late else how, forward, is_call)
    with WireServer(trouble) as proxy:
        desk.extra = {"http_proxy": proxy.url}
        assert applied_twice(desk, mode, trouble.heal) == (7, CELLS if is_late else 0)
    assert trouble.met == 1
