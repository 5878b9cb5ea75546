"""Explains a YAML parser's complaint in plain words.

libyaml and the pure Python parser find the same faults at the same places but word them differently; people get one
sentence for both.
"""

from dataclasses import dataclass

from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line


@dataclass(frozen=True, slots=True)
class Complaint:
    """A parser's error."""

    problem: str
    context: str
    """The construct it was reading; may be empty."""
    character: str
    """The character at which it stopped; empty at the end of the file."""
    line: int
    """The line where it stopped, from 1."""
    head: str = ""
    """The text before that in its line."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The message for people."""

    message: str
    at_context: bool = False
    """True to show where the unfinished construct began, instead of where the parser stopped."""


TAB = "there is a tab here; YAML is indented with spaces"
TAB_BETWEEN = "there is a tab here, where only spaces are allowed; write a space instead"
TAB_BEGINS_TEXT = (
    "there is a tab here, where only spaces are allowed; if the text itself begins with a tab, write it in double"
    " quotes as `\\t`"
)
COMMENT = "a comment needs a space before its `#`; put the text in quotes if the `#` is part of it"
QUESTION = "a `?` right before a value starts a text in YAML 1.2 but a key in 1.1; put the text in quotes"
BLANK_END = "the file ends in spaces after a `|` or `>` text; end its last line with a line break"
VERSIONS = "only YAML 1.1 and 1.2 are read"
NO_CHARACTER = "this quoted text has an escape that is not a valid character"

# The first row whose words all occur in the context and problem is the explanation; libyaml's wording comes first.
_BY_PROBLEM: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("mapping values are not allowed",),
        "a `:` is not allowed here: quote the text that contains it, or check the indentation",
    ),
    (("sequence entries are not allowed",), "a list cannot begin here: put its first `-` on a line of its own"),
    (("expected key",), "this does not fit the lines above it: check the indentation and the quotes"),
    (("expected <block end>",), "this does not fit the lines above it: check the indentation and the quotes"),
    (("expected '-' indicator",), "this does not fit the lines above it: check the indentation and the quotes"),
    (("node content",), "a value is missing here"),
    (("incompatible YAML document",), VERSIONS),
    (("duplicate", "directive"), "the YAML version is stated twice"),
    (("scanning a block scalar",), "after `|` or `>` the text begins on the next line"),
    (("anchor",), "an anchor `&` or alias `*` needs a name of letters and digits"),
    (("alias",), "an anchor `&` or alias `*` needs a name of letters and digits"),
    (("tag",), "tags (`!…`) are not allowed"),
    (("<document start>",), "a new document begins with a line `---`"),
)
_AT_CONTEXT = (
    (("unexpected end of stream",), "the quotes that open here are never closed"),
    (("could not find expected ':'",), "this looks like a key without its `:`, or text that needs quotes"),
    (
        ("unexpected document separator", "found unexpected document indicator"),
        "the quotes that open here are not closed before the next document",
    ),
    (("invalid Unicode character escape",), NO_CHARACTER),
    (
        ("escape", "hexdecimal", "hexadecimal"),
        "this quoted text has an unknown `\\` escape; write `\\\\` or use single quotes",
    ),
)
"""Any of these words → what is wrong where what was being read began; the first that fits."""
_OTHERS = {
    **dict.fromkeys((TAB, TAB_BETWEEN, TAB_BEGINS_TEXT), Code.TAB),
    **dict.fromkeys((COMMENT, QUESTION, BLANK_END), Code.AMBIGUOUS_YAML),
    NO_CHARACTER: Code.FORBIDDEN_CHARACTER,
    VERSIONS: Code.YAML_VERSION,
    "the YAML version is stated twice": Code.YAML_VERSION,
    "an anchor `&` or alias `*` needs a name of letters and digits": Code.ALIAS,
    "tags (`!…`) are not allowed": Code.TAG,
}
"""A message → its code, where that is more than: this is not YAML."""
_UNCLOSED = {"']'": ("list", "[", "]"), "'}'": ("mapping", "{", "}")}


def code_of(message: str) -> Code:
    """Return the code of one of this module's messages."""
    return _OTHERS.get(message, Code.INVALID_YAML)


def glued(name: str, following: str) -> str:
    """Return the message for an anchor's or alias's name that does not end where it must."""
    ends = "its name may have letters, digits, `-` and `_`, then a space"
    return f"`{one_line(name)}` goes on with `{one_line(following)}`; {ends}"


def explain(complaint: Complaint) -> Explanation:
    """Explain in plain words what is wrong."""
    said = f"{complaint.context}: {complaint.problem}"
    if "tab character" in said:
        return Explanation(TAB_BEGINS_TEXT if "block scalar" in said and complaint.head else TAB)
    for words, message in _AT_CONTEXT:
        if any(word in said for word in words):
            return Explanation(message, at_context=True)
    if "scanning a block scalar" in said and complaint.character == "#":
        return Explanation(COMMENT)
    for closing, (name, opener, closer) in _UNCLOSED.items():
        if "expected ','" in said and closing in said:
            message = f"the {name} that opens here with `{opener}` lacks a `,` or its `{closer}`"
            return Explanation(f"{message} (noticed in line {complaint.line})", at_context=True)
    if "cannot start any token" in said:
        return Explanation(_at_no_value(complaint))
    if "node content" in said and not complaint.character:
        return Explanation("the file ends here in the middle of a list or mapping")
    by_problem = (message for words, message in _BY_PROBLEM if all(word in said for word in words))
    return Explanation(next(by_problem, f"this is not YAML: {one_line(said)}"))


def _at_no_value(complaint: Complaint) -> str:
    """Say why nothing can begin with the character."""
    if complaint.character == "\t":
        return TAB_BETWEEN if complaint.head.strip(" \t") else TAB
    return f"a value cannot begin with `{one_line(complaint.character)}`; put it in quotes"
