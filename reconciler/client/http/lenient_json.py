"""JSON as the vendor really sends it: raw control characters in strings are accepted, everything else is strict.

msgspec is fast and strict, so the vendor's raw control characters [V] are escaped for it. The standard library, which
accepts them with `strict=False`, reads only what msgspec still refuses; both read alike whatever both accept.
"""

import codecs
import hashlib
import json
import re
from typing import Any, NoReturn, TypeVar

import msgspec

from reconciler.errors import BadResponse

DIGEST_CHARACTERS = 16
_SLICE = 1 << 16
_LONGEST_NUMBER = 4300  # Python refuses to turn longer texts into integers (CVE-2020-10735)
Buffer = bytes | bytearray | memoryview
T = TypeVar("T")
_any = msgspec.json.Decoder()
_deterministic = msgspec.json.Encoder(order="deterministic")
_FAST_REFUSES = (msgspec.DecodeError, UnicodeDecodeError)
_NOT_CONTROL = bytes(range(0x20, 0x100))
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_HALF_WORD = re.compile(r"[\w+.-]*\s*")
"""The possible rest of a number, of `true` or of an escape at the end of a cut text."""
_LOOKED_AT = 1024


class NotJsonError(BadResponse):
    """The body is cut off or not JSON at all; another try may return a whole one. Never leaves the package."""


def check_utf8(body: Buffer) -> None:
    """Raise NotJsonError if `body` is not UTF-8: msgspec skips values without looking at their characters.

    Works in slices, so that a large page is never in memory a second time as text.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(body)
    try:
        for start in range(0, len(view), _SLICE):
            decoder.decode(view[start : start + _SLICE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        is_cut = error.reason == "unexpected end of data"
    else:
        return
    raise NotJsonError("the answer ends in the middle of a character" if is_cut else "the answer is not UTF-8")


def without_mark(body: memoryview) -> memoryview:
    """Return `body` without a leading byte-order mark, which JSON parsers do not accept."""
    size = len(codecs.BOM_UTF8)
    return body[size:] if bytes(body[:size]) == codecs.BOM_UTF8 else body


def kind_of_page(body: Buffer) -> str:
    """Return what a body that is not JSON is, if its beginning shows it; else ""."""
    start = bytes(memoryview(body)[:_LOOKED_AT]).removeprefix(codecs.BOM_UTF8).strip().lower()
    if not start and len(body) <= _LOOKED_AT:
        return "the answer is empty"
    if start.startswith((b"<!doctype html", b"<html")):
        return "the answer is an HTML page, not JSON"
    return "the answer is HTML or XML, not JSON" if start.startswith(b"<") else ""


def loads(text: str) -> Any:
    """Parse `text`, raw control characters in strings included. Raises BadResponse; NotJsonError if it may be cut off.

    NaN and Infinity are refused. A whole number of more than 4300 digits comes out as its text.
    """
    try:
        return json.loads(text, strict=False, parse_constant=_no_constant, parse_int=_integer)
    except json.JSONDecodeError as error:
        is_cut = _is_cut(text, error)
    except RecursionError:
        too_deep()
    except ValueError:  # of `_no_constant`
        raise BadResponse("the answer holds NaN or Infinity, which JSON does not have") from None
    raise NotJsonError("the JSON of the answer ends early" if is_cut else "the answer is not JSON")


def _is_cut(text: str, error: json.JSONDecodeError) -> bool:
    """True if the parser went wrong at the end of what began as an object or a list."""
    is_at_end = error.msg.startswith("Unterminated string") or _HALF_WORD.fullmatch(text, error.pos)
    return bool(is_at_end) and text.lstrip()[:1] in ("{", "[")


def parse(raw: Buffer | msgspec.Raw) -> Any:
    """Parse any JSON into plain Python values, by the fast parser if possible. Raises BadResponse."""
    try:
        return _any.decode(raw)
    except _FAST_REFUSES:
        pass
    except RecursionError:
        too_deep()
    body = bytes(raw)
    check_utf8(body)
    return _parse_refused(body)


def parse_as(shape: type[T], body: Buffer) -> T:
    """Parse a body that an exact decoder has refused into a shape of plain values. Raises BadResponse, as `loads`."""
    try:
        return msgspec.convert(_parse_refused(bytes(body)), shape)
    except msgspec.ValidationError as error:
        raise BadResponse(f"the answer does not have the expected shape: {error}") from None
    except UnicodeEncodeError:  # a key with a lone surrogate
        raise BadResponse("the answer does not have the expected shape: a key is not valid text") from None


def _parse_refused(body: bytes) -> Any:
    try:
        return _any.decode(_escaped(body))
    except _FAST_REFUSES:
        return loads(str(body, "utf-8-sig"))
    except RecursionError:
        too_deep()


def _escaped(body: bytes) -> bytes:
    """Return `body` with its raw control characters escaped, and if they stand between tokens, no JSON any more."""
    escaped = body
    for control in set(body.translate(None, _NOT_CONTROL)):
        escaped = escaped.replace(b"%c" % control, b"\\u%04x" % control)
    # After a backslash, an escape of ours would make JSON of what is not.
    return body if b"\\\\u00" in escaped else escaped


def value_digest(value: Any) -> str:
    """Return 16 hex digits of SHA-256 over the value itself, not over its bytes on the wire.

    So key order, spacing, escapes and the parser that read the page do not matter: a digest changes exactly when the
    value does, and an unchanged cell is never taken for evidence that a call landed.
    """
    try:
        text = _deterministic.encode(value)
    except RecursionError:
        too_deep()
    except UnicodeEncodeError:
        text = json.dumps(value, sort_keys=True).encode()  # a lone surrogate, which this writes as an escape
    return hashlib.sha256(text).hexdigest()[:DIGEST_CHARACTERS]


def is_plain(text: str) -> bool:
    """Return whether `text` can be written as UTF-8: printing or storing a lone surrogate would crash."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown_text(text: str) -> str:
    """Return `text`, which is only for people, with U+FFFD for each lone surrogate, so that it can be written."""
    return _HALF_CHARACTER.sub("\ufffd", text)


def too_deep() -> NoReturn:
    """Raise BadResponse: the answer is nested deeper than Python's stack."""
    raise BadResponse("the answer is nested too deeply") from None


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("not JSON")


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_NUMBER else text
