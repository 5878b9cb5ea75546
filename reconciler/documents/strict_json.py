"""JSON of saved files, which others may have touched: a text that two programs may read in two ways is not accepted."""

import json
import math
from typing import Any, NoReturn


class AmbiguousJsonError(ValueError):
    """Python would read the text, and another program something else or nothing; the message says why."""


def parse(text: str) -> Any:
    """Return the value of a JSON text. Raises ValueError if it is not JSON, AmbiguousJsonError if readers may differ.

    By default, Python keeps the last of equal keys, and reads NaN and 1e999 as numbers that have no canonical JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise AmbiguousJsonError("it holds a key twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _no_number(_: str) -> NoReturn:
    raise AmbiguousJsonError("it holds a number that is not finite")
