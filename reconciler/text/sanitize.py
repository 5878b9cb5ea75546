"""Makes text from outside safe to print: it cannot move the cursor, break a line or reverse its direction.

Escape sequences, bidirectional overrides and line breaks in a name would otherwise reach the terminal or forge a line
of a CI log; characters that cannot be seen would make two names look alike. Letters of every script stay as they are.
"""

import re

LIMIT = 200
"""Characters of a text that are kept by default."""

IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's Default_Ignorable_Code_Point, for a pattern's class: joiners, fillers, bidirectional marks,
variation selectors, tags, and what is kept free for more of them. Python's own tables do not have the property."""

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1 controls: escape sequences begin here
    "\u2028\u2029"  # line and paragraph separators
    "\ufff9-\ufffb"  # interlinear annotation
    "\u2800\U00016fe4\U0001d159"  # blank, without being spaces: in Braille, Khitan and music
    "\ud800-\udfff"  # lone surrogates: cannot be encoded, so printing them would fail
    f"{IGNORABLE}]"
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
    if text.isascii() and text.isprintable():  # nearly every text, and told ten times as fast
        return text
    return _UNSAFE.sub(lambda match: spelled(match.group()), text)
