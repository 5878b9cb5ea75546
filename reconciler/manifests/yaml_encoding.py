"""Decodes a YAML file: UTF-8, without characters that YAML forbids or that its versions read differently."""

import re

from reconciler.errors import ManifestError
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from reconciler.text.phrases import quote

_MARK = b"\xef\xbb\xbf"
_MARK_WITHIN = "\ufeff"
_MARKS_OF_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Shorter than the list of what YAML allows, which takes Python 8 ms to compile.
_UNPRINTABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_ENDS_A_LINE_IN_1_1 = "\x85\u2028\u2029"
_LINE = re.compile("\r\n|[\n\r]")


def decoded(data: bytes, path: str) -> str:
    """Return the text of the file named `path`, without its byte-order mark; ManifestError at a fault."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data.removeprefix(_MARK)[: error.start].decode("utf-8", "replace")
        message = "the file is UTF-16; save it as UTF-8"
        if not data.startswith(_MARKS_OF_UTF_16):
            message = f"the byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ManifestError([Diagnostic(_place_after(path, before), Code.NOT_UTF_8, message)]) from None
    mark = text.find(_MARK_WITHIN)
    if mark >= 0:
        message = (
            "a byte-order mark may only be a file's first character; remove it, or write `\\ufeff` in double quotes"
        )
        raise ManifestError([Diagnostic(_place_after(path, text[:mark], text), Code.FORBIDDEN_CHARACTER, message)])
    unprintable = _UNPRINTABLE.search(text)
    if unprintable:
        shown = quote(unprintable.group())
        message = f"the character {shown} is not allowed in YAML"
        if unprintable.group() in _ENDS_A_LINE_IN_1_1:
            message = f"{shown} ends a line in YAML 1.1 but not in 1.2; write it as an escape in double quotes"
        raise ManifestError(
            [Diagnostic(_place_after(path, text[: unprintable.start()], text), Code.FORBIDDEN_CHARACTER, message)]
        )
    return text


def _place_after(path: str, before: str, text: str = "") -> Location:
    """Return the location of the character that follows `before`."""
    lines = _LINE.split(before)
    return Location(path, len(lines), len(lines[-1]) + 1, text=text)
