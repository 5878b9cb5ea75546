"""Between a plan and money: the spend protocol, evidence, approval, limits, waiting.

Six rules keep a cell from being paid for twice. `tests/at_most_once/test_mutants.py` breaks each of them in a copy of
the program and checks that a test fails.

R1: A monotonic clock starts before the intent is recorded.
R2: The intent is durable before a byte is sent.
R3: The POST starts only within D of R1, and all of it, not each wait, ends within T.
R4: A call in doubt is judged only once Q has passed since its last attempt, by the store's clock.
R5: The live table then decides: any sign that a cell moved means that the call landed, and only clear proof of no
    movement means that it did not.
R6: Each attempt begins with a compare-and-set; only its winner may send, and only it may record the outcome.

D, T and Q are `send_within_seconds`, `call_seconds` and `quiet_seconds` of `api.spend`; Q is longer than D + T.
"""
