"""Requests and answers without a socket: reading what was asked, saying what is wrong with it, finding who answers."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from reconciler.simulator.shapes import UUID_PATTERN

JSON: Final = ("content-type", "application/json")
_UUID = re.compile(UUID_PATTERN)
_PATH = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_encode = msgspec.json.encode
_Body = TypeVar("_Body")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = b""
    shuffle: int | None = None
    """A number to shuffle a page of rows by: a fault, not a parameter."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; a body that is an iterator is sent as it comes."""

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
    """A request that is answered with an error."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def invalid(at: Iterable[str | int], text: str, kind: str = "value_error") -> RejectedError:
    """Return a 422 about one place in a request."""
    return RejectedError(message(422, [{"loc": list(at), "msg": text, "type": kind}]))


def read_body(request: Request, shape: type[_Body], *, optional: bool = False) -> _Body:
    """Return the body in its shape; a 422 says what is wrong and where."""
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


class Query:
    """The parameters of a request."""

    def __init__(self, text: str) -> None:
        self._pairs = parse_qsl(text, keep_blank_values=True) if text else []

    def all(self, name: str) -> list[str]:
        """Return every value of a parameter that may repeat."""
        return [value for key, value in self._pairs if key == name]

    def last(self, name: str) -> str | None:
        """Return the last value of a parameter."""
        values = self.all(name)
        return values[-1] if values else None

    def whole(self, name: str, default: int | None, least: int, most: int | None = None) -> int | None:
        """Return a whole number within bounds."""
        text = self.last(name)
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

    def choice(self, name: str, choices: Iterable[str]) -> str | None:
        """Return one of the given words."""
        text = self.last(name)
        if text is not None and text not in choices:
            raise invalid(["query", name], f"Input should be one of {', '.join(choices)}", "literal_error")
        return text

    def flag(self, name: str) -> bool:
        """Return a yes or no; absent is no."""
        text = self.last(name)
        if text is None or text.lower() in ("false", "0"):
            return False
        if text.lower() in ("true", "1"):
            return True
        raise invalid(["query", name], "Input should be a valid boolean", "bool_parsing")


def path_id(name: str, text: str) -> str:
    """Return an id of the path in lower case; a 422 where it is none."""
    if not _UUID.fullmatch(text.lower()):
        raise invalid(["path", name], "Input should be a valid UUID", "uuid_parsing")
    return text.lower()


Endpoint = Callable[[Request, str, str], Response]
Route = tuple[str, ...]


class Router:
    """Finds the endpoint of a request; parts three and five of a path may be ids."""

    def __init__(self, routes: Mapping[str, Endpoint]) -> None:
        self._routes: dict[Route, dict[str, Endpoint]] = {}
        for name, endpoint in routes.items():
            method, path = name.split(" ")
            parts = tuple("{}" if part.startswith("{") else part for part in path.split("/"))
            self._routes.setdefault(parts, {})[method] = endpoint

    def __call__(self, request: Request) -> Response:
        """Answer a request, or say 404 or 405."""
        parts = request.path.split("/")
        methods = self._routes.get(tuple(parts))
        if methods is None and 3 < len(parts) <= 6:
            shape = ["{}" if index in (3, 5) else part for index, part in enumerate(parts)]
            methods = self._routes.get(tuple(shape))
        if methods is None:
            return message(404, "Not Found")
        endpoint = methods.get(request.method)
        if endpoint is None:
            return message(405, "Method Not Allowed", [("allow", ", ".join(sorted(methods)))])
        try:
            return endpoint(request, parts[3] if len(parts) > 3 else "", parts[5] if len(parts) > 5 else "")
        except RejectedError as error:
            return error.response
