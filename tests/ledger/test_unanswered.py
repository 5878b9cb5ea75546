"""An intent whose commit is not answered: the process knows that it sent nothing, so it ends that very attempt."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from reconciler.errors import Unwritable
from reconciler.ledger import Ledger, open_ledger
from reconciler.model.attempt import Ended, Verdict
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallFilter
from tests.at_most_once.rival_applies import lose_the_next_commit
from tests.ledger.calls_and_actors import TABLE, a_call, accepted, begin, kinds, state_of
from tests.ledger.losing_proxy import LosingProxy
from tests.postgres import fresh_database

Lose = Callable[..., AbstractContextManager[None]]
Parts = tuple[Ledger, Ledger, Lose]


SURE = pytest.mark.parametrize("stage", ["sqlite", "postgres closes"], indirect=True)
"""Without a silence that has to be waited for."""


@pytest.fixture(params=["sqlite", "postgres closes", "postgres is silent"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str) -> Iterator[Parts]:
    """A ledger whose next commit can be lost, another handle on the same store, and what loses it."""
    kind = request.param
    url = str(tmp_path / "ledger.db") if kind == "sqlite" else fresh_database(postgres_server)
    proxy = None if kind == "sqlite" else LosingProxy(url)
    with (
        proxy or nullcontext(),
        open_ledger(url) as other,
        open_ledger(proxy.address if proxy else url) as ledger,
    ):
        other.initialise()
        ledger.recall([TABLE])

        @contextmanager
        def lose(what: str, then: Callable[[], object] = lambda: None) -> Iterator[None]:
            patience = ledger._store.answer_seconds
            if proxy is None:
                lose_the_next_commit(ledger, landed=what == "answer", then=then)
            elif kind == "postgres closes":
                proxy.lose(what, "close", then)
            else:
                proxy.lose(what, "silent", then)
                ledger._store.answer_seconds = 2.4
            with pytest.raises(Unwritable):
                yield
            ledger._store.answer_seconds = patience

        yield ledger, other, lose


def test_an_intent_that_was_recorded_without_an_answer_ends_as_not_sent(stage: Parts) -> None:
    """It is not a doubt: the call may be begun again at once, as another attempt."""
    ledger, other, lose = stage
    with lose("answer"):
        begin(ledger, a_call(), version=0)
    assert state_of(other, a_call()) == (CallState.NOT_SENT, 1)
    assert kinds(other, a_call()) == [("intent", 1), ("not_sent", 1)]
    assert "without an answer" in other.events(a_call().id)[-1].detail["text"]
    assert begin(other, a_call()).attempt == 2


def test_an_intent_that_was_not_recorded_leaves_nothing(stage: Parts) -> None:
    """Neither a call nor an event, and the table's version is what it was."""
    ledger, other, lose = stage
    with lose("commit"):
        begin(ledger, a_call(), version=0)
    assert other.calls() == []
    assert begin(other, a_call(), version=0).attempt == 1


@pytest.mark.parametrize("what", ["answer", "commit"])
def test_the_outcome_of_the_call_before_is_recorded_once(stage: Parts, what: str) -> None:
    """It stood in the same commit: whoever is not told whether it is there says it again, and it counts once."""
    ledger, other, lose = stage
    before = Ended(begin(ledger, a_call(1)), accepted(), a_call(1).table_id)
    with lose(what):
        begin(ledger, a_call(2), version=1, ended=before)
    assert state_of(other, a_call(1)) == ((CallState.ACCEPTED if what == "answer" else CallState.INTENT), 1)
    ledger.end(before.ticket, before.ending)
    assert kinds(other, a_call(1)) == [("intent", 1), ("accepted", 1)]
    assert [record.payments for record in other.calls(CallFilter(states=[CallState.ACCEPTED]))] == [1]
    assert [record.id for record in other.calls(CallFilter(states=[CallState.INTENT, CallState.IN_DOUBT]))] == []


@SURE
@pytest.mark.parametrize("what", ["answer", "commit"])
def test_an_attempt_of_another_process_is_left_alone(stage: Parts, what: str) -> None:
    """It began the same call meanwhile, and it is on its way: only the token tells the two attempts apart."""
    ledger, other, lose = stage

    def meanwhile() -> None:
        if what == "answer":
            other.resolve(Verdict(a_call().id, 1, landed=False, reason="looked", actor=other.calls()[0].actor))
        begin(other, a_call())

    with lose(what, meanwhile):
        begin(ledger, a_call(), version=0)
    assert state_of(other, a_call()) == (CallState.INTENT, 2 if what == "answer" else 1)


@SURE
def test_an_attempt_that_evidence_has_ended_stays_ended(stage: Parts) -> None:
    """Another process saw the cells move and took it for paid: a sender that sent nothing does not undo that."""
    ledger, other, lose = stage

    def meanwhile() -> None:
        other.resolve(Verdict(a_call().id, 1, landed=True, reason="it moved", actor=other.calls()[0].actor))

    with lose("answer", meanwhile):
        begin(ledger, a_call(), version=0)
    assert state_of(other, a_call()) == (CallState.ACCEPTED, 1)


def test_an_intent_stays_in_doubt_if_the_store_is_gone(postgres_server: str) -> None:
    """It cannot be found out whether it is there: it is what it is today, an intent without an ending."""
    url = fresh_database(postgres_server)
    with LosingProxy(url) as proxy, open_ledger(url) as other, open_ledger(proxy.address, answer_seconds=0.9) as ledger:
        other.initialise()
        ledger.recall([TABLE])
        proxy.lose("answer", then=proxy.fall_silent)
        with pytest.raises(Unwritable):
            begin(ledger, a_call(), version=0)
        assert state_of(other, a_call()) == (CallState.INTENT, 1)
