"""Numbers of the command line: what is not one, or more than anything can be, is a wrong command line."""

from collections.abc import Iterator

import click
import pytest

from reconciler.cli.group import COMMANDS, group
from tests.journey.conftest import MakeDesk, desk, make_desk
from tests.journey.desk import Desk

__all__ = ["MakeDesk", "desk", "make_desk"]


def number_options() -> Iterator[tuple[str, ...]]:
    """Yield the words that lead to every option that takes a float."""
    context = click.Context(group)
    waiting: list[tuple[tuple[str, ...], click.Command | None]]
    waiting = [((name,), group.get_command(context, name)) for name in COMMANDS]
    while waiting:
        words, command = waiting.pop()
        assert command is not None
        if isinstance(command, click.Group):
            waiting += [((*words, name), each) for name, each in command.commands.items()]
        for option in command.params:
            if isinstance(option.type, click.types.FloatParamType):
                yield (*words, option.opts[0])


OPTIONS = sorted(number_options())


def test_the_options_that_take_a_float_are_known() -> None:
    """So that the test below is about something."""
    assert OPTIONS == [
        ("apply", "--lease-timeout"),
        ("apply", "--timeout"),
        ("follow", "--timeout"),
        ("simulator", "--speed"),
        ("status", "--watch"),
        ("wait", "--timeout"),
    ]


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "infinity", "1e308", "1e10"])
@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
def test_a_number_that_makes_no_sense_is_a_wrong_command_line(desk: Desk, words: tuple[str, ...], value: str) -> None:
    """`nan` is neither below nor above any bound, and no timer waits for ever."""
    said = desk.run(*words[:-1], f"{words[-1]}={value}")
    assert (said.code, words[-1] in said.err, said.out) == (64, True, "")
    assert desk.simulator.requests() == []
