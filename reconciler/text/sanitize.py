"""Makes text from outside safe to print: it cannot move the cursor, break a line or reverse its direction.

Escape sequences, bidirectional overrides and line breaks in a name would otherwise reach the terminal or forge a line
of a CI log. Letters of every script stay as they are.
"""

import re

LIMIT = 200
"""Characters of a text that are kept by default."""

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1 controls: escape sequences begin here
    "\u00ad"  # soft hyphen: invisible
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, overrides and isolates
    "\u180e\u200b-\u200d\u2060-\u2064\ufeff"  # zero-width characters
    "\u2028\u2029"  # line and paragraph separators
    "\ufff9-\ufffb"  # interlinear annotation
    "\ud800-\udfff"  # lone surrogates: cannot be encoded, so printing them would fail
    "\U000e0000-\U000e007f"  # tag characters: invisible text
    "]"
)


def spelled(character: str) -> str:
    """Return a character's escape sequence, as Python and YAML write it."""
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def one_line(text: str, limit: int = LIMIT) -> str:
    """Return `text` on one line, with unsafe characters escaped, cut after `limit` characters of the original."""
    if len(text) > limit:
        text = text[:limit] + "…"
    return _UNSAFE.sub(lambda match: spelled(match.group()), text)
