"""Strict YAML: turns text into plain values with their locations. The only module that uses PyYAML's parser.

PyYAML's own loaders keep the last of two equal keys, read `on` as true and follow tags; its C composer crashes the
interpreter on deep nesting, and expanding nested aliases can take minutes. So only its *parser* is used: one pass over
its events checks and builds, and refuses a value before building it. The same pass serves libyaml and the pure Python
parser.
"""

import re
from collections.abc import Callable
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import yaml

from reconciler.errors import ManifestError
from reconciler.manifests.document import Document, Mark, Marks, mark_of
from reconciler.manifests.open_file import open_named, shown_path
from reconciler.manifests.yaml_blanks import Occupied, faults, is_worth_a_look, without_trailing_tabs
from reconciler.manifests.yaml_encoding import decoded
from reconciler.manifests.yaml_errors import NO_CHARACTER, QUESTION, VERSIONS, Complaint, code_of, explain, glued
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from reconciler.text.phrases import kind_of, quote
from reconciler.text.sanitize import one_line

MAX_BYTES = 1024 * 1024
"""Size of one file."""
MAX_NODES = 100_000
"""Values in one file, every alias counted with its whole expansion."""
MAX_CHARACTERS = 4 * MAX_BYTES
"""Characters of all those values: an alias of a long text counts like the text."""
MAX_DEPTH = 64
"""Lists and mappings inside one another."""
MAX_DIGITS = 18
"""Digits of a whole number."""
MAX_PROBLEMS = 100
"""The most problems reported for one file; a hostile file could have a hundred thousand."""


class _PureLoader(yaml.SafeLoader):
    """PyYAML's own parser, changed to skip tabs between values as libyaml does."""

    def scan_to_next_token(self) -> None:
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()


Loader: TypeAlias = Callable[[str], Any]
PURE: Loader = _PureLoader
FAST: Loader = getattr(yaml, "CSafeLoader", PURE)
"""libyaml's parser; PyYAML may have been built without it."""


def read_documents(path: Path, loader: Loader = FAST) -> tuple[Document, ...]:
    """Return the documents of one file, without the empty ones; a ManifestError carries every problem found in it."""
    shown = one_line(shown_path(path), limit=5000)
    try:
        with open_named(path) as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f"the file cannot be read: {one_line(reason)}"
        raise ManifestError([Diagnostic(Location(shown, 1, 1), Code.UNREADABLE_FILE, message)]) from None
    return parse(data, shown, loader)


def parse(data: bytes, path: str, loader: Loader = FAST) -> tuple[Document, ...]:
    """Return the documents in the bytes of the file named `path`, as `read_documents` does."""
    if len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024**2} MiB; split it"
        raise ManifestError([Diagnostic(Location(path, 1, 1), Code.TOO_LARGE, message)])
    text = decoded(data, path)
    builder = _DocumentBuilder(path, text, loader)
    try:
        return builder.documents()
    except ManifestError:
        eased = without_trailing_tabs(text) if builder.stopped_at_tab else text
        if eased == text:
            raise
    # The parsers stop at some trailing tabs, e.g. in an empty line. So they read the file again without them, except
    # for those that turn out to be inside a text.
    second = _DocumentBuilder(path, eased, loader, notes=True)
    documents = second.documents()
    kept = without_trailing_tabs(text, second.occupied.texts)
    return documents if kept == eased else _DocumentBuilder(path, kept, loader).documents()


_SURROGATE = re.compile("[\ud800-\udfff]")
_BLOCK_HEADER = re.compile(r"[|>][^\r\n]*")
_ENDS_A_NAME = " \t\r\n,]}"
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NUMBER_STARTS = frozenset("-+.0123456789")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
_YAML_VERSIONS = (None, (1, 1), (1, 2))
_IN_QUOTES = "If it is meant as text, put it in quotes."


class _StopReading(Exception):
    """The file is refused at this point, and the rest is not read."""


class _DocumentBuilder:
    """Turns the events of one file into documents; lives for one call."""

    def __init__(self, path: str, text: str, loader: Loader, *, notes: bool = False) -> None:
        self.path = path
        self.text = text
        self.loader = loader
        self.parser = loader(text)
        self.next_event: Callable[[], Any] = self.parser.get_event
        self.problems: list[Diagnostic] = []
        self.anchors: dict[str, tuple[object, Marks, int, int]] = {}
        """Finished anchors: value, places, nodes, characters."""
        self.open_anchors: set[str] = set()
        self.nodes = 0
        self.characters = 0
        self.occupied = Occupied()
        self.notes = notes or is_worth_a_look(text)
        """True to record positions in `occupied`."""
        self.column = -1
        """Of the innermost block."""
        self.flow_depth = 0
        self.stopped_at_tab = False

    def documents(self) -> tuple[Document, ...]:
        """Read to the end, then raise every problem found."""
        found: list[Document] = []
        try:
            while (kind := type(event := self.next_event())) is not yaml.StreamEndEvent:
                if kind is yaml.DocumentStartEvent:
                    if event.version not in _YAML_VERSIONS:
                        self.report(event.start_mark, Code.YAML_VERSION, VERSIONS)
                    self.anchors = {}
                    first = self.next_event()
                    value, marks = self.node(first, 0)
                    if value is not None or getattr(first, "value", None) != "":
                        found.append(Document(self.path, value, marks, self.text))
            self.check_between()
        except _StopReading:
            pass
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            if mark and "maximum nesting depth" in (error.problem or ""):
                # libyaml reads ahead, and stopped before the guard saw the nesting, which is before this place.
                _DocumentBuilder(self.path, self.text[: mark.index], self.loader).documents()
            self.problems.append(self.explained(error))
        except (ValueError, OverflowError):  # the pure parser, on an escape beyond the last character
            location = Location(self.path, self.parser.line + 1, self.parser.column + 1, text=self.text)
            self.problems.append(Diagnostic(location, Code.FORBIDDEN_CHARACTER, NO_CHARACTER))
        if self.problems:
            raise ManifestError(self.problems)
        return tuple(found)

    def location(self, mark: Mark) -> Location:
        """Return a mark's location, counted as editors do."""
        return Location(self.path, mark.line + 1, mark.column + 1, text=self.text)

    def report(self, mark: Mark, code: Code, message: str, hint: str = "") -> None:
        """Record a problem and continue, up to a limit."""
        self.problems.append(Diagnostic(self.location(mark), code, message, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            self.stop(
                mark, Code.TOO_MANY_PROBLEMS, f"{MAX_PROBLEMS} problems up to here; the rest of the file was not read"
            )

    def stop(self, mark: Mark, code: Code, message: str) -> NoReturn:
        """Record a problem and stop reading."""
        self.problems.append(Diagnostic(self.location(mark), code, message))
        raise _StopReading

    def explained(self, error: yaml.MarkedYAMLError) -> Diagnostic:
        """Turn the parser's own complaint into a problem."""
        mark = error.problem_mark or error.context_mark
        index = mark.index if mark else 0
        character = self.text[index : index + 1]
        line = mark.line + 1 if mark else 1
        self.stopped_at_tab = character == "\t"
        head = self.text[:index].rpartition("\n")[2].rpartition("\r")[2]
        explanation = explain(Complaint(error.problem or "", error.context or "", character, line, head))
        if explanation.at_context and error.context_mark:
            mark = error.context_mark
        location = self.location(mark) if mark else Location(self.path, 1, 1)
        return Diagnostic(location, code_of(explanation.message), explanation.message)

    def guard(self, mark: Mark) -> None:
        """Refuse a file that expands beyond what a manifest can need."""
        if self.nodes > MAX_NODES:
            self.stop(
                mark,
                Code.TOO_LARGE,
                f"more than {MAX_NODES:,} values up to here, each alias counted with all it stands for",
            )
        if self.characters > MAX_CHARACTERS:
            self.stop(
                mark, Code.TOO_LARGE, "more than 4 MiB of text up to here, each alias counted with all it stands for"
            )

    def node(self, event: Any, depth: int) -> tuple[object, Marks]:
        """Build the value that `event` begins."""
        kind = type(event)
        mark: Mark = event.start_mark
        if self.flow_depth and self.text[mark.index - 1] == "?":
            self.report(mark, Code.AMBIGUOUS_YAML, QUESTION)
        if kind is yaml.AliasEvent:
            return self.alias(event.anchor, mark)
        nodes, characters = self.nodes, self.characters
        self.nodes += 1
        self.guard(mark)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!", 1)
            self.report(mark, Code.TAG, f"the tag {quote(tag)} is not allowed; manifests need none")
        anchor = event.anchor
        if anchor is not None:
            self.open_anchors.add(anchor)
            self.check_name("&" + anchor, mark)
        value: object
        marks: Marks
        if kind is yaml.ScalarEvent:
            value, marks = self.scalar(event, mark), mark
        elif depth == MAX_DEPTH:
            self.stop(mark, Code.TOO_LARGE, f"lists and mappings are nested more than {MAX_DEPTH} deep here")
        else:
            column = self.column
            if event.flow_style:
                self.flow_depth += 1
                self.occupied.flows.append((mark.index, column))
            else:
                self.column = mark.column
            build = self.sequence if kind is yaml.SequenceStartEvent else self.mapping
            value, marks = build(mark, depth + 1)
            self.column = column
            self.flow_depth -= bool(event.flow_style)
        if anchor is not None:
            self.open_anchors.discard(anchor)
            self.anchors[anchor] = (value, marks, self.nodes - nodes, self.characters - characters)
        return value, marks

    def alias(self, anchor: str, mark: Mark) -> tuple[object, Marks]:
        """Return the anchor's value, the same objects, but count them again."""
        self.check_name("*" + anchor, mark)
        if anchor in self.open_anchors:
            self.report(mark, Code.ALIAS, f"the alias {quote('*' + anchor)} is inside the value that it names")
            return None, mark
        if anchor not in self.anchors:
            self.report(
                mark, Code.ALIAS, f"the alias {quote('*' + anchor)} has no anchor {quote('&' + anchor)} before it"
            )
            return None, mark
        value, marks, nodes, characters = self.anchors[anchor]
        self.nodes += nodes
        self.characters += characters
        self.guard(mark)
        return value, marks

    def check_name(self, name: str, mark: Mark) -> None:
        """Refuse `&a:b`, which the parsers split but YAML 1.2 does not."""
        end = mark.index + len(name)
        following = self.text[end : end + 1]
        if following not in _ENDS_A_NAME and self.text.startswith(name, mark.index):
            self.report(mark, Code.ALIAS, glued(name, following))

    def scalar(self, event: Any, mark: Mark) -> object:
        """Return text, unless it is unquoted and spells a number, true, false or null."""
        text: str = event.value
        self.characters += len(text)
        if self.notes:
            self.note_text(event, mark)
        if not event.implicit[0]:
            if "\x00" in text:
                self.report(
                    mark, Code.FORBIDDEN_CHARACTER, "this text contains a NUL character (`\\0`), which is not allowed"
                )
            if _SURROGATE.search(text):  # libyaml has refused it already
                self.report(mark, Code.FORBIDDEN_CHARACTER, NO_CHARACTER)
            return text
        if text in _WORDS:
            return _WORDS[text]
        return self.number(text, mark) if text[0] in _NUMBER_STARTS else text

    def note_text(self, event: Any, mark: Mark) -> None:
        """Remember where a text stands, so that what looks like YAML in it is not read as YAML."""
        start = mark.index
        self.occupied.ends_in_block = event.style in ("|", ">")
        if self.occupied.ends_in_block and (header := _BLOCK_HEADER.search(self.text, start)):
            start = header.end()  # the rest of the line after `|` is not part of the text
        self.occupied.texts.append((start, event.end_mark.index))

    def number(self, text: str, mark: Mark) -> object:
        """Return the number that an unquoted text spells, or the text if it spells none."""
        if _INTEGER.fullmatch(text):
            if len(text) <= MAX_DIGITS:
                return int(text)
        elif _FLOAT.fullmatch(text):
            number = float(text)
            if isfinite(number):
                return number
        else:
            return text
        self.report(mark, Code.NUMBER_TOO_LARGE, f"the number `{one_line(text, 24)}` is too large", _IN_QUOTES)
        return 0

    def sequence(self, mark: Mark, depth: int) -> tuple[object, Marks]:
        """Build a list."""
        values: list[object] = []
        places: list[Marks] = []
        while type(event := self.next_event()) is not yaml.SequenceEndEvent:
            value, marks = self.node(event, depth)
            values.append(value)
            places.append(marks)
        return values, (mark, places)

    def mapping(self, mark: Mark, depth: int) -> tuple[object, Marks]:
        """Build a mapping; merged keys come after its own keys."""
        values: dict[str, object] = {}
        places: dict[str, tuple[Mark, Marks]] = {}
        merged: tuple[Mark, object, Marks] | None = None
        while type(event := self.next_event()) is not yaml.MappingEndEvent:
            key, _ = self.node(event, depth)
            key_mark: Mark = event.start_mark
            value, marks = self.node(self.next_event(), depth)
            if not isinstance(key, str):
                is_plain = not isinstance(key, dict | list)
                self.report(
                    key_mark,
                    Code.KEY_NOT_TEXT,
                    f"a key must be text, but this is {kind_of(key)}",
                    _IN_QUOTES if is_plain else "",
                )
            elif key == "<<" and type(event) is yaml.ScalarEvent and event.implicit[0]:
                if merged:
                    self.report(
                        key_mark, Code.DUPLICATE_KEY, f"duplicate key `<<`; line {merged[0].line + 1} has it already"
                    )
                else:
                    merged = key_mark, value, marks
            elif key in values:
                line = places[key][0].line + 1
                self.report(key_mark, Code.DUPLICATE_KEY, f"duplicate key {quote(key)}; line {line} has it already")
            else:
                values[key] = value
                places[key] = (key_mark, marks)
        if merged:
            _, value, marks = merged
            if isinstance(value, list) and isinstance(marks, tuple) and isinstance(marks[1], list):
                for item, item_marks in zip(value, marks[1], strict=True):
                    self.merge(item, item_marks, values, places)
            else:
                self.merge(value, marks, values, places)
        return values, (mark, places)

    def merge(
        self, value: object, marks: Marks, values: dict[str, object], places: dict[str, tuple[Mark, Marks]]
    ) -> None:
        """Add the missing keys of another mapping to a mapping."""
        if isinstance(value, dict) and isinstance(marks, tuple) and isinstance(marks[1], dict):
            for key, item in value.items():
                if key not in values:
                    values[key] = item
                    places[key] = marks[1][key]
        else:
            mark = mark_of(marks)
            self.report(mark, Code.ALIAS, f"`<<` takes a mapping or a list of mappings, but this is {kind_of(value)}")

    def check_between(self) -> None:
        """Report faults between the values, once their positions are known."""
        if self.notes:
            for fault in islice(faults(self.text, self.occupied), MAX_PROBLEMS - len(self.problems)):
                location = Location(self.path, fault.line, fault.column, text=self.text)
                self.problems.append(Diagnostic(location, code_of(fault.message), fault.message))
