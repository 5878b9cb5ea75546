"""What a YAML parser's complaint means in plain words.

libyaml and the pure Python parser notice the same faults at the same places and word them differently; a person gets
one sentence for both.
"""

from dataclasses import dataclass

from reconciler.text.sanitize import one_line


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a parser said."""

    problem: str
    context: str
    """What it was reading at the time; may be empty."""
    character: str
    """The character at which it stopped; empty at the end of the file."""
    line: int
    """Where it stopped, from 1."""
    head: str = ""
    """What stands before that in its line."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person is told."""

    message: str
    at_context: bool = False
    """The place to show is where the unfinished thing began, not where the parser gave up."""


TAB = "a tab stands here; YAML is indented with spaces"
TAB_BETWEEN = "a tab stands here, where this reader takes only spaces; write a space instead"
TAB_BEGINS_TEXT = (
    "a tab stands here, where this reader takes only spaces; if the text itself begins with a tab, write it in double"
    " quotes as `\\t`"
)
COMMENT = "a comment needs a space before its `#`; put the text in quotes if the `#` is part of it"
QUESTION = "a `?` right before a value begins a text in YAML 1.2 and a key in 1.1; put the text in quotes"
BLANK_END = "the file ends in spaces behind a text of `|` or `>`; end its last line with a line break"
NO_CHARACTER = "this quoted text holds an escape that names no character"

# The first row whose words all occur in the context and the problem explains it; libyaml's wording first.
_BY_PROBLEM: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("mapping values are not allowed",),
        "a `:` cannot stand here: quote the text that holds it, or check the indentation",
    ),
    (("sequence entries are not allowed",), "a list cannot begin here: put its first `-` on a line of its own"),
    (("expected key",), "this does not fit the lines above it: check the indentation and the quotes"),
    (("expected <block end>",), "this does not fit the lines above it: check the indentation and the quotes"),
    (("expected '-' indicator",), "this does not fit the lines above it: check the indentation and the quotes"),
    (("node content",), "a value is missing here"),
    (("incompatible YAML document",), "only YAML 1.1 and 1.2 are read"),
    (("duplicate", "directive"), "the YAML version is stated twice"),
    (("scanning a block scalar",), "after `|` or `>` the text begins on the next line"),
    (("anchor",), "an anchor `&` or alias `*` needs a name of letters and digits"),
    (("alias",), "an anchor `&` or alias `*` needs a name of letters and digits"),
    (("tag",), "tags (`!…`) are not allowed"),
    (("<document start>",), "a new document begins with a line `---`"),
)
_UNCLOSED = {"']'": ("list", "[", "]"), "'}'": ("mapping", "{", "}")}


def glued(name: str, following: str) -> str:
    """Say that an anchor's or alias's name does not end where it must."""
    ends = "its name takes letters, digits, `-`, `_`, then a space"
    return f"`{one_line(name)}` goes on with `{one_line(following)}`; {ends}"


def explain(complaint: Complaint) -> Explanation:
    """Say in plain words what is wrong."""
    said = f"{complaint.context}: {complaint.problem}"
    if "tab character" in said:
        return Explanation(TAB_BEGINS_TEXT if "block scalar" in said and complaint.head else TAB)
    if "unexpected end of stream" in said:
        return Explanation("the quotes that open here are never closed", at_context=True)
    if "could not find expected ':'" in said:
        return Explanation("this looks like a key without its `:`, or text that needs quotes", at_context=True)
    if "unexpected document separator" in said or "found unexpected document indicator" in said:
        return Explanation("the quotes that open here are not closed before the next document", at_context=True)
    if "invalid Unicode character escape" in said:
        return Explanation(NO_CHARACTER, at_context=True)
    if "escape" in said or "hexdecimal" in said or "hexadecimal" in said:
        return Explanation(
            "this quoted text holds an unknown `\\` escape; write `\\\\` or use single quotes", at_context=True
        )
    if "scanning a block scalar" in said and complaint.character == "#":
        return Explanation(COMMENT)
    for closing, (name, opener, closer) in _UNCLOSED.items():
        if "expected ','" in said and closing in said:
            message = f"the {name} that opens here with `{opener}` lacks a `,` or its `{closer}`"
            return Explanation(f"{message} (noticed in line {complaint.line})", at_context=True)
    if "cannot start any token" in said:
        if complaint.character == "\t":
            return Explanation(TAB_BETWEEN if complaint.head.strip(" \t") else TAB)
        return Explanation(f"a value cannot begin with `{one_line(complaint.character)}`; put it in quotes")
    if "node content" in said and not complaint.character:
        return Explanation("the file ends here in the middle of a list or mapping")
    for words, message in _BY_PROBLEM:
        if all(word in said for word in words):
            return Explanation(message)
    return Explanation(f"this is not YAML: {one_line(said)}")
