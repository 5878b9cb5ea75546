"""Answers of a forge that are not what its reference says: an error in words, whichever part of them it is."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

from reconciler.errors import BadResponse

P = ParamSpec("P")
T = TypeVar("T")

_OTHER_SHAPE = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


def in_known_shapes(reader: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """Have a generator that reads answers raise BadResponse if a part of one is missing or is something else."""

    @wraps(reader)
    def reading(*given: P.args, **named: P.kwargs) -> Iterator[T]:
        try:
            yield from reader(*given, **named)
        except _OTHER_SHAPE as error:
            failure = BadResponse(f"the forge answered in a shape we do not know ({type(error).__name__})")
        else:
            return
        raise failure

    return reading
