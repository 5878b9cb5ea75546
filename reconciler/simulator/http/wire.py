"""Requests and answers without a socket: reads requests, and reports what is wrong with them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from starlette.datastructures import QueryParams

from reconciler.simulator.http.shapes import UUID_PATTERN

JSON: Final = ("content-type", "application/json")
_UUID = re.compile(UUID_PATTERN)
_PATH = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_encode = msgspec.json.encode
_Body = TypeVar("_Body")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = b""
    shuffle: int | None = None
    """A seed to shuffle a page of rows with: a fault, not a parameter."""

    @property
    def parameters(self) -> QueryParams:
        """Return the parameters of the query."""
        return QueryParams(self.query)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; an iterator as its body is streamed."""

    status: int
    body: bytes | Iterator[bytes]
    headers: tuple[tuple[str, str], ...] = (JSON,)


def answer(value: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Return a value as JSON."""
    return Response(status, _encode(value), (JSON, *headers))


def message(status: int, detail: Any, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Return an error in the API's form."""
    return answer({"detail": detail}, status, headers)


class RejectedError(Exception):
    """A request to be answered with an error."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def invalid(at: Iterable[str | int], text: str, kind: str = "value_error") -> RejectedError:
    """Return a 422 for one place in a request."""
    return RejectedError(message(422, [{"loc": list(at), "msg": text, "type": kind}]))


def read_body(request: Request, shape: type[_Body], *, optional: bool = False) -> _Body:
    """Return the body in its shape; a 422 with the place and the problem if it does not fit."""
    if optional and not request.body.strip():
        return shape()
    try:
        return msgspec.json.decode(request.body, type=shape)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _PATH.search(text)
        steps = _STEP.findall(found[1]) if found else []
        at = [name or (int(number) if number.isdigit() else number) for name, number in steps]
        raise invalid(["body", *at], _PATH.sub("", text)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(["body"], f"JSON decode error: {error}", "json_invalid") from None


def last(query: QueryParams, name: str) -> str | None:
    """Return the last value of a parameter."""
    values = query.getlist(name)
    return values[-1] if values else None


def whole(query: QueryParams, name: str, default: int | None, least: int, most: int | None = None) -> int | None:
    """Return a whole number within bounds; a 422 for anything else."""
    text = last(query, name)
    if text is None:
        return default
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise invalid(["query", name], "Input should be a valid integer", "int_parsing")
    number = int(text)
    if number < least:
        raise invalid(["query", name], f"Input should be greater than or equal to {least}", "greater_than_equal")
    if most is not None and number > most:
        raise invalid(["query", name], f"Input should be less than or equal to {most}", "less_than_equal")
    return number


def choice(query: QueryParams, name: str, choices: Iterable[str]) -> str | None:
    """Return one of the given words; a 422 for any other."""
    text = last(query, name)
    if text is not None and text not in choices:
        raise invalid(["query", name], f"Input should be one of {', '.join(choices)}", "literal_error")
    return text


def flag(query: QueryParams, name: str) -> bool:
    """Return a flag; False if absent."""
    text = last(query, name)
    if text is None or text.lower() in ("false", "0"):
        return False
    if text.lower() in ("true", "1"):
        return True
    raise invalid(["query", name], "Input should be a valid boolean", "bool_parsing")


def path_id(name: str, text: str) -> str:
    """Return an id of the path in lower case; a 422 if it is not a UUID."""
    if not _UUID.fullmatch(text.lower()):
        raise invalid(["path", name], "Input should be a valid UUID", "uuid_parsing")
    return text.lower()
