"""The apply loop: the order of each call, and what every outcome leads to."""

from collections.abc import Generator
from contextlib import suppress
from threading import Barrier, Event, Lock

import pytest

from reconciler.errors import InDoubt, Leased, LimitExceeded, NotSent, Refused, Unwritable
from reconciler.model.attempt import Ending, Receipt, Stop, StopCause
from reconciler.model.history import CallState
from reconciler.model.plan import Call
from reconciler.model.report import ExitCode, Report
from reconciler.spending.protocol import MOST_ATTEMPTS, MOST_TROUBLES
from tests.planning.tables_and_manifests import a_call
from tests.spending.wire_and_journal import Answer, Bench

ONE, TWO, THREE = a_call(1, table="a"), a_call(2, table="a"), a_call(3, table="b")
"""Two calls for one table, then one for another; each asks for two cells."""


def states(bench: Bench, *calls: Call) -> tuple[list[str], StopCause | None, int]:
    """Apply `calls` and return how each ended, why the apply stopped, and the exit code."""
    apply, results = bench.run(*calls)
    ended = ["not tried" if result.ending is None else result.ending.state.value for result in results]
    report = Report("p", tuple(results), apply.stopped)
    return ended, apply.stopped.cause if apply.stopped else None, report.exit_code()


def test_each_call_is_intended_sent_and_recorded_in_that_order() -> None:
    """R1 and R2, call by call, with the labels, the plan and the version that the table had after the call before.

    An intent takes the ending of the call before it along, also of another table's; the last is recorded by itself.
    """
    bench = Bench.new()
    assert states(bench, ONE, TWO, THREE) == (["accepted"] * 3, None, ExitCode.OK)
    by = "for p by ana@laptop {'team': 'accounts'}"
    assert bench.log.events == [
        *(f"begin 1 at 0 {by}", "send 1"),
        *(f"begin 2 at 1 {by}", "end 1 accepted", "send 2"),
        *(f"begin 3 at 0 {by}", "end 2 accepted", "send 3", "end 3 accepted"),
    ]


def test_calls_go_table_by_table_and_keep_their_order_within_one() -> None:
    """However a plan lists them."""
    bench = Bench.new()
    bench.run(THREE, TWO, ONE)
    assert [event for event in bench.log.events if event.startswith("send")] == ["send 2", "send 1", "send 3"]


OUTCOMES: dict[str, tuple[Answer, list[str], StopCause | None, ExitCode]] = {
    "accepted": (Receipt("r", 2), ["accepted", "accepted", "accepted"], None, ExitCode.OK),
    "accepted fewer": (Receipt("r", 1), ["accepted", "accepted", "accepted"], None, ExitCode.OK),
    "accepted without a number": (Receipt("", None), ["accepted", "accepted", "accepted"], None, ExitCode.OK),
    "accepted more": (Receipt("r", 3), ["accepted", "not tried", "not tried"], StopCause.OVERBOUGHT, ExitCode.PARTIAL),
    "not sent": (NotSent("refused"), ["not_sent", "not tried", "accepted"], None, ExitCode.PARTIAL),
    **{
        str(status): (
            Refused("no", status=status),
            ["refused", "not tried", "not tried"],
            StopCause.REFUSED,
            ExitCode.PARTIAL,
        )
        for status in (401, 402, 403, 429)
    },
    **{
        str(status): (Refused("no", status=status), ["refused", "not tried", "accepted"], None, ExitCode.PARTIAL)
        for status in (400, 404, 409, 410, 418, 422)
    },
    "5xx": (InDoubt("502", status=502), ["in_doubt", "not tried", "accepted"], None, ExitCode.IN_DOUBT),
    "no answer": (InDoubt("timeout"), ["in_doubt", "not tried", "accepted"], None, ExitCode.IN_DOUBT),
    "a fault": (RuntimeError("bug"), ["in_doubt", "not tried", "accepted"], None, ExitCode.IN_DOUBT),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_leads_where_the_contract_says(name: str) -> None:
    """The first of three calls meets it; the second is for the same table, the third for another."""
    answer, ended, cause, code = OUTCOMES[name]
    bench = Bench.new()
    bench.wire.answers[ONE.id] = [answer]
    assert states(bench, ONE, TWO, THREE) == (ended, cause, code)
    assert bench.count("begin") == bench.count("send") == bench.count("end")
    assert bench.count("send 1") == (MOST_ATTEMPTS if name == "not sent" else 1)


def test_what_the_wire_said_is_kept_for_people() -> None:
    """Message, status and receipt come back in the result; an unlisted exception's words do not."""
    bench = Bench.new()
    bench.wire.answers = {ONE.id: [Refused("404, no such table", status=404)], THREE.id: [RuntimeError("secret")]}
    _, (refused, skipped, fault) = bench.run(ONE, TWO, THREE)
    assert refused.ending == Ending(CallState.REFUSED, "404, no such table", 404)
    assert (skipped.ending, skipped.reason) == (None, "call 00000000 for the same table was refused")
    assert fault.ending == Ending(CallState.IN_DOUBT, "unexpected RuntimeError while sending")


def test_a_call_that_was_not_sent_is_tried_again_after_a_pause() -> None:
    """Each attempt is an intent of its own; the third one gets through."""
    bench = Bench.new()
    bench.wire.answers[ONE.id] = [NotSent("refused"), NotSent("refused"), Receipt("r", 2)]
    assert states(bench, ONE) == (["accepted"], None, ExitCode.OK)
    assert [event.split(" at ")[0] for event in bench.log.events] == [
        *("begin 1", "send 1", "end 1 not_sent", "pause 1"),
        *("begin 1", "send 1", "end 1 not_sent", "pause 2"),
        *("begin 1", "send 1", "end 1 accepted"),
    ]


def test_a_hold_that_cannot_be_recorded_leaves_the_call_refused() -> None:
    """It met a 429, whatever became of the ledger after that: neither in doubt nor a bug."""
    bench = Bench.new()
    slow_down = Refused("slow down", status=429)
    slow_down.retry_after = 1.0
    bench.wire.answers[ONE.id] = [slow_down]

    def hold(_seconds: float) -> None:
        raise Unwritable("the server is gone")

    apply = bench.apply([ONE, THREE], hold=hold)
    refused, untried = apply.run()
    assert (refused.ending and refused.ending.state, untried.ending) == (CallState.REFUSED, None)
    assert apply.stopped == Stop(StopCause.LEDGER, "the server is gone")


def test_doubt_is_never_sent_again() -> None:
    """Also where an attempt before it was provably not sent."""
    bench = Bench.new()
    bench.wire.answers[ONE.id] = [NotSent("refused"), InDoubt("reset")]
    assert states(bench, ONE)[0] == ["in_doubt"]
    assert bench.count("send 1") == 2


@pytest.mark.parametrize(("seconds", "sent"), [(1.999, 1), (2.0, 0), (60.0, 0)])
def test_a_call_is_sent_only_within_d_of_the_clocks_start(seconds: float, sent: int) -> None:
    """R3: an intent that took too long is ended as not sent, and nothing goes out."""
    bench = Bench.new()
    bench.book.seconds = seconds
    apply = bench.apply([ONE])
    (result,) = apply.run()
    assert bench.count("send") == sent
    assert result.ending is not None
    assert result.ending.state is (CallState.ACCEPTED if sent else CallState.NOT_SENT)


def test_an_intent_that_cannot_be_written_stops_everything_before_the_post() -> None:
    """R2: what is not durable is not sent."""
    bench = Bench.new()
    bench.book.begins = [None, Unwritable("disk full", hint="Make room.")]
    apply, results = bench.run(ONE, TWO, THREE)
    assert apply.stopped == Stop(StopCause.LEDGER, "disk full", "Make room.")
    assert [result.reason for result in results] == [
        "",
        "nothing was sent: disk full",
        "the apply had stopped: disk full",
    ]
    assert bench.count("send") == 1
    assert bench.log.events[-1] == "end 1 accepted"
    assert bench.unrecorded == []


@pytest.mark.parametrize("fault", [Unwritable("disk full"), Leased("held by ci"), ZeroDivisionError()])
def test_an_acceptance_is_recorded_whatever_becomes_of_the_next_intent(fault: BaseException) -> None:
    """The two are kept together or not at all, and then the acceptance by itself."""
    bench = Bench.new()
    bench.book.begins = [None, fault]
    with suppress(ZeroDivisionError):
        bench.run(ONE, TWO)
    assert [event.split(" at ")[0] for event in bench.log.events] == ["begin 1", "send 1", "begin 2", "end 1 accepted"]


def test_an_acceptance_does_not_wait_while_a_budget_refuses_intents() -> None:
    """Many calls may be refused in a row, each after waiting for its turn: a kill then would leave a doubt."""
    bench = Bench.new()
    bench.book.begins = [None, LimitExceeded("a day's budget"), LimitExceeded("a day's budget")]
    bench.run(ONE, TWO, THREE)
    assert [event.split(" at ")[0] for event in bench.log.events] == [
        *("begin 1", "send 1"),
        *("begin 2", "end 1 accepted"),
        "begin 3",
    ]


@pytest.mark.parametrize("at", [0, 1])
def test_another_apply_on_the_table_stops_this_one(at: int) -> None:
    """R6: whoever loses the compare-and-set sends nothing more; before the first call that is exit 5, after it 6."""
    bench = Bench.new()
    bench.book.begins = [None] * at + [Leased("held by ci")]
    ended, cause, code = states(bench, ONE, TWO, THREE)
    assert ended == ["accepted"] * at + ["not tried"] * (3 - at)
    assert cause is StopCause.LEASED
    assert code == (ExitCode.PARTIAL if at else ExitCode.LEASED)


def test_a_version_that_moved_is_met_by_the_journal() -> None:
    """The intent is a compare-and-set on the version the plan was made from."""
    bench = Bench.new()
    bench.book.versions["a"] = 4
    assert states(bench, ONE, THREE) == (["not tried", "not tried"], StopCause.LEASED, ExitCode.LEASED)
    assert bench.count("send") == 0


@pytest.mark.parametrize("answer", [Receipt("r", 2), Refused("no", status=404), InDoubt("reset"), NotSent("no")])
def test_an_ending_that_the_journal_loses_is_handed_out_and_stops_the_apply(answer: Answer) -> None:
    """A person must be able to keep what the ledger could not; the next call is not sent, nor this one again."""
    bench = Bench.new()
    bench.wire.answers[ONE.id] = [answer]
    # An acceptance is tried once more by itself, where the next call's intent could not take it along.
    bench.book.ends = [Unwritable("disk full")] * (2 if isinstance(answer, Receipt) else 1)
    apply, results = bench.run(ONE, TWO, THREE)
    ((call, ticket, ending),) = bench.unrecorded
    assert (call, ticket.call_id, ending) == (ONE, ONE.id, results[0].ending)
    assert apply.stopped is not None
    assert apply.stopped.cause is StopCause.LEDGER
    assert bench.count("send") == 1
    report = Report("p", tuple(results), apply.stopped, unrecorded=(ONE.id,))
    assert report.exit_code() == ExitCode.IN_DOUBT


def test_an_interrupt_lets_the_call_in_flight_end_and_sends_nothing_more() -> None:
    """Asked for while the first call is on its way."""
    bench = Bench.new()
    apply = bench.apply([ONE, TWO, THREE], interrupted=lambda: bench.count("send") > 0)
    results = list(apply.run())
    assert [result.ending.state if result.ending else None for result in results] == [CallState.ACCEPTED, None, None]
    assert results[2].reason == "the apply had stopped: interrupted"
    assert Report("p", tuple(results), apply.stopped).exit_code() == ExitCode.PARTIAL


def test_an_interrupt_ends_the_retries_of_a_call_that_was_not_sent() -> None:
    """Its outcome is known; it is not tried again."""
    bench = Bench.new()
    bench.wire.answers[ONE.id] = [NotSent("refused")]
    apply = bench.apply([ONE], interrupted=lambda: bench.count("pause") > 0)
    (result,) = apply.run()
    assert result.ending == Ending(CallState.NOT_SENT, "refused")
    assert bench.count("send") == 1


def test_an_interrupt_through_the_wire_itself_is_recorded_as_doubt_and_goes_on() -> None:
    """A KeyboardInterrupt in the middle of a POST is not swallowed, and not forgotten."""
    bench = Bench.new()
    bench.wire.answers[ONE.id] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        bench.run(ONE, TWO)
    assert bench.log.events[1:] == ["send 1", "end 1 in_doubt"]


@pytest.mark.parametrize("answer", [InDoubt("reset"), NotSent("refused")])
def test_too_many_calls_in_a_row_without_a_clear_answer_stop_the_apply(answer: Answer) -> None:
    """Whatever ails the API, it is not asked for ever; a clear answer starts the count again."""
    bench = Bench.new()
    calls = [a_call(number, table=f"{number:02}") for number in range(1, 2 * MOST_TROUBLES + 3)]
    fine = calls[MOST_TROUBLES - 1]
    bench.wire.answers = {call.id: [answer] for call in calls if call is not fine}
    apply, results = bench.run(*calls)
    tried = [result for result in results if result.ending is not None]
    assert len(tried) == 2 * MOST_TROUBLES
    assert apply.stopped is not None
    assert apply.stopped.cause is StopCause.TROUBLE


def test_the_first_reason_to_stop_is_the_one_that_is_told() -> None:
    """A signal after it changes nothing."""
    apply = Bench.new().apply([ONE])
    apply.stop(Stop(StopCause.INTERRUPTED, "first"))
    apply.stop(Stop(StopCause.LEDGER, "second"))
    assert apply.stopped == Stop(StopCause.INTERRUPTED, "first")
    assert [result.reason for result in apply.run()] == ["the apply had stopped: first"]


def test_a_plan_without_calls_does_nothing() -> None:
    """Not even an intent."""
    bench = Bench.new()
    assert states(bench) == ([], None, ExitCode.OK)
    assert bench.log.events == []


PATIENCE = 30.0
"""Seconds after which a thread that is waited for will not come any more."""


def test_calls_of_several_tables_are_in_flight_at_once_and_those_of_one_table_never() -> None:
    """Three tables with two calls each: the first calls meet, then the second ones."""
    bench, meeting = Bench.new(), Barrier(3, timeout=PATIENCE)
    bench.wire.meeting = lambda call: meeting.wait()
    calls = [a_call(number, table=table) for number, table in enumerate("aabbcc", 1)]
    results = list(bench.apply(calls, concurrency=3).run())
    assert {result.call.id for result in results} == {call.id for call in calls}
    sent = [event.split()[1] for event in bench.log.events if event.startswith("send")]
    assert (set(sent[:3]), set(sent[3:])) == ({"1", "3", "5"}, {"2", "4", "6"})


def test_no_more_tables_than_allowed_are_in_flight() -> None:
    """Counted while each call is on its way."""
    bench, lock = Bench.new(), Lock()
    in_flight, most = 0, 0
    pairs = Barrier(2, timeout=PATIENCE)

    def meet(call: Call) -> None:
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        pairs.wait()
        with lock:
            in_flight -= 1
        pairs.wait()

    bench.wire.meeting = meet
    results = list(bench.apply([a_call(n, table=f"{n}") for n in range(1, 9)], concurrency=2).run())
    assert (len(results), most) == (8, 2)


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_leads_to_the_same_when_tables_run_side_by_side(name: str) -> None:
    """Within its table; what stops all spending lets the other table's call in flight end."""
    answer, ended, cause, code = OUTCOMES[name]
    bench, meeting = Bench.new(), Barrier(2, timeout=PATIENCE)
    bench.wire.answers[ONE.id] = [answer]
    bench.wire.meeting = lambda call: meeting.wait() if bench.count("send") <= 2 else None
    apply = bench.apply([ONE, TWO, THREE], concurrency=2)
    results = sorted(apply.run(), key=lambda result: result.call.id)
    found = [result.ending.state.value if result.ending else "not tried" for result in results]
    assert found == [*ended[:2], "accepted"]
    assert (apply.stopped.cause if apply.stopped else None) == cause
    assert Report("p", tuple(results), apply.stopped).exit_code() == code


def test_a_stop_in_one_table_reaches_the_others() -> None:
    """The calls in flight end and are recorded; nothing more is sent for any table."""
    bench, meeting = Bench.new(), Barrier(2, timeout=PATIENCE)
    bench.wire.answers[ONE.id] = [Refused("no credits", status=402)]
    ended = Event()

    def meet(call: Call) -> None:
        meeting.wait()
        if call is not ONE:
            assert ended.wait(PATIENCE)

    bench.wire.meeting = meet
    apply = bench.apply([ONE, THREE, a_call(4, table="b")], concurrency=2)
    states_by_call = {}
    for result in apply.run():
        states_by_call[int(result.call.id, 16)] = result.ending.state.value if result.ending else "not tried"
        if result.call is ONE:
            ended.set()
    assert states_by_call == {1: "refused", 3: "accepted", 4: "not tried"}


def test_whoever_stops_listening_stops_the_sending() -> None:
    """The results are a generator; closed early, it leaves no thread that goes on spending."""
    bench = Bench.new()
    calls = [a_call(number, table=table) for number, table in enumerate("aaabbb", 1)]
    gate = Event()
    bench.wire.meeting = lambda call: gate.wait(PATIENCE) if bench.count("send") > 1 else None
    apply = bench.apply(calls, concurrency=2)
    results = apply.run()
    next(results)
    apply.stop(Stop(StopCause.INTERRUPTED, "closed"))
    gate.set()
    assert isinstance(results, Generator)
    results.close()
    assert bench.count("send") <= 3
    assert bench.count("send") == bench.count("end")


def test_a_journal_that_fails_in_an_unknown_way_before_the_post_sends_nothing() -> None:
    """Its call was not sent, all sending stops, and every call has its result."""
    bench = Bench.new()
    bench.book.begins = [ZeroDivisionError()]
    apply, results = bench.run(ONE, TWO, THREE)
    assert [result.ending for result in results] == [None] * 3
    assert (apply.stopped is not None and apply.stopped.cause, bench.count("send")) == (StopCause.TROUBLE, 0)


def test_a_journal_that_fails_in_an_unknown_way_after_the_post_is_told_of() -> None:
    """The result holds the answer, and whoever must keep it receives it."""
    bench = Bench.new()
    bench.wire.answers = {ONE.id: [Refused("no", status=404)]}
    bench.book.ends = [ZeroDivisionError()]
    apply, results = bench.run(ONE, TWO, THREE)
    assert [result.ending.state.value if result.ending else "" for result in results] == ["refused", "", ""]
    assert [call for call, _, _ in bench.unrecorded] == [ONE]
    assert apply.stopped is not None
    assert "ZeroDivisionError" in apply.stopped.message
