"""No name breaks out of its code span: parsed, a hostile plan has the very structure of a harmless one."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reconciler.render.annotations import of_plan, of_problems, workflow_commands
from reconciler.render.markdown import cell, code
from reconciler.render.plan_markdown import plan_headline, plan_markdown
from reconciler.render.problems_markdown import problems_markdown
from reconciler.render.report_markdown import report_markdown
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from reconciler.text.sanitize import one_line
from tests.example_counts import portion
from tests.review.hostile_texts import names
from tests.review.plans_and_reports import plan_of, report_of

PARSER = MarkdownIt("gfm-like", {"html": True, "linkify": False}).enable("table")
HARMLESS = [f"name{number}" for number in range(1, 101)]
NAMES = names(10_000)
SHARES = portion([NAMES[start : start + 100] for start in range(0, len(NAMES), 100)], 3)
BIDIRECTIONAL = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
OWN_HTML = re.compile(r"<details>\n<summary>[A-Z][a-z ]+</summary>\n|</details>\n?")


def flat(tokens: Sequence[Token]) -> list[Token]:
    """Return tokens with their children."""
    return [each for token in tokens for each in (token, *flat(token.children or []))]


def structure(markdown: str) -> list[tuple[str, str, str]]:
    """Return what a reader's parser sees, without what stands in code spans."""
    return [
        (token.type, token.tag, "" if token.type in ("code_inline", "inline") else token.content)
        for token in flat(PARSER.parse(markdown))
    ]


def check_text(text: str) -> None:
    """Assert that nothing in it moves a cursor, turns a line round or is a command of a CI's log."""
    for character in set(text) - {"\n"}:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp"), repr(character)
        assert unicodedata.bidirectional(character) not in BIDIRECTIONAL, repr(character)
        assert character not in "\u200e\u200f\u061c\u034f\u115f\u17b4\u180b\u3164\ufe0f\uffa0\U000e0100"
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]
    assert "##[" not in text


def check(markdown: str, harmless: str) -> None:
    """Assert that a text with hostile names is read as the one with harmless names is."""
    check_text(markdown)
    found = structure(markdown)
    assert [each[0] for each in found if each[0].startswith(("link", "image", "autolink"))] == []
    html = [each[2] for each in found if each[0].startswith("html")]
    assert [each for each in html if not OWN_HTML.fullmatch(each)] == []
    assert found == structure(harmless)


@pytest.mark.parametrize("share", SHARES, ids=[f"{number}" for number in range(len(SHARES))])
def test_ten_thousand_names_in_a_plan(share: list[str]) -> None:
    """A hundred names a time, four plans of them, so that each stands in some place of a plan."""
    harmless = plan_markdown(plan_of(HARMLESS))
    for start in (0, 25, 50, 75):
        check(plan_markdown(plan_of(share[start:] + share[:start])), harmless)


@pytest.mark.parametrize("share", SHARES, ids=[f"{number}" for number in range(len(SHARES))])
def test_ten_thousand_names_in_a_report(share: list[str]) -> None:
    """Each in some place of a report."""
    harmless = report_markdown(report_of(HARMLESS))
    for start in (0, 17, 34, 51, 68, 85):
        check(report_markdown(report_of(share[start:] + share[:start])), harmless)


def test_ten_thousand_names_in_problems() -> None:
    """As path, message and hint of a problem in a job's summary."""

    def problems(of: Sequence[str]) -> list[Diagnostic]:
        return [
            Diagnostic(Location(path, 1, 1), Code.UNKNOWN_KEY, message, hint)
            for path, message, hint in zip(of, of[1:], of[2:], strict=False)
        ]

    for share in SHARES:
        assert [each[0] for each in structure(problems_markdown(problems(share)))] == [
            each[0] for each in structure(problems_markdown(problems(HARMLESS)))
        ]
        check_text(problems_markdown(problems(share)))


@pytest.mark.parametrize("in_table", [False, True], ids=["text", "table"])
def test_a_name_is_read_back_as_it_was_written(in_table: bool) -> None:
    """From between its backticks, in a line and in a table's cell, whatever it holds."""
    for name in NAMES[:3000]:
        span = cell(name) if in_table else code(name)
        text = f"| a | b |\n|---|---|\n| {span} | end |" if in_table else f"Text {span} end."
        spans = [token.content for token in flat(PARSER.parse(text)) if token.type == "code_inline"]
        assert spans == [expected(name, in_table=in_table)]
        cells = [token for token in PARSER.parse(text) if token.type == "td_open"]
        assert len(cells) == (2 if in_table else 0)


def expected(name: str, *, in_table: bool) -> str:
    """Return what a reader sees of a name: a backslash before a table's bar is spelled out, and so is `##[`."""
    text = one_line(name, 80).replace("##[", r"##\x5b")
    return re.sub(r"\\+(?=\|)", lambda found: r"\x5c" * len(found.group()), text) if in_table else text


def test_a_name_of_spaces_is_still_seen() -> None:
    """A code span of nothing would be two backticks, which open a span of what follows."""
    assert [code(text) for text in ("", " ", "   ")] == ["(blank)"] * 3


def test_a_name_of_backticks_gets_a_longer_fence() -> None:
    """And spaces in between, so that the backticks are not one run."""
    assert code("`") == "`` ` ``"
    assert code("a``b`") == "``` a``b` ```"


@pytest.mark.parametrize("share", SHARES[:10], ids=[f"{number}" for number in range(10)])
def test_names_in_workflow_commands(share: list[str]) -> None:
    """Every line is a command of ours, with as many fields as it should have, and GitHub reads back the message."""
    content = plan_of(share)
    problems = [Diagnostic(Location(path, 1, 2), Code.UNKNOWN_KEY, message) for path, message in pairwise(share)]
    for lines in (
        workflow_commands(of_plan(content, plan_headline(content))),
        workflow_commands(of_problems(problems)),
    ):
        for line in lines.split("\n"):
            assert read_command(line)["level"] in ("error", "warning", "notice")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lines)


def read_command(line: str) -> dict[str, Any]:
    """Return a workflow command as GitHub's runner reads it: up to the second `::`, fields between commas."""
    assert line.startswith("::")
    end = line.index("::", 2)
    level, _, fields = line[2:end].partition(" ")
    named = dict(field.split("=", 1) for field in fields.split(","))
    assert set(named) <= {"file", "line", "col", "title"}
    for name, text in named.items():
        named[name] = text.replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
    return {"level": level, "message": line[end + 2 :].replace("%25", "%"), **named}
