"""Problems in the formats that other tools read: GitLab's code quality, SARIF 2.1.0 and JUnit's XML."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from reconciler.text.codes import Code
from reconciler.text.digest import digest
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line
from reconciler.version import __version__

_LENGTH = 2000
_NOT_XML = re.compile("[\ufffe\uffff]")
"""Characters that `clean` keeps and XML does not allow."""


def code_quality(problems: Sequence[Diagnostic]) -> str:
    """Return GitLab's code-quality report: an array; each problem's fingerprint stays the same when its line moves."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for problem in problems:
        key = (problem.location.path, problem.message)
        seen[key] += 1
        found.append(
            {
                "description": _words(problem),
                "check_name": problem.code.value,
                "fingerprint": digest([*key, seen[key]]).removeprefix("sha256:"),
                "severity": "major",
                "location": {
                    "path": one_line(problem.location.path, _LENGTH),
                    "lines": {"begin": problem.location.line},
                },
            }
        )
    return json.dumps(found, indent=2, ensure_ascii=True)


def sarif(problems: Sequence[Diagnostic]) -> str:
    """Return a SARIF 2.1.0 log with one run."""
    rules = [_rule(code) for code in sorted({problem.code for problem in problems})]
    driver = {"name": "reconciler", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each) for each in problems],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=True)


def _rule(code: Code) -> Mapping[str, Any]:
    return {
        "id": code.value,
        "shortDescription": {"text": code.summary},
        "fullDescription": {"text": code.why},
        "help": {"text": code.mend},
    }


def _result(problem: Diagnostic) -> Mapping[str, Any]:
    region = {"startLine": problem.location.line, "startColumn": problem.location.column}
    location = {"artifactLocation": {"uri": quote(one_line(problem.location.path, _LENGTH))}, "region": region}
    return {
        "ruleId": problem.code.value,
        "level": "error",
        # `[text](target)` in a SARIF message is a link; a space in between prevents that.
        "message": {"text": _words(problem).replace("](", "] (")},
        "locations": [{"physicalLocation": location}],
    }


def junit(problems: Sequence[Diagnostic], files: Sequence[str]) -> str:
    """Return JUnit's XML: one test case for each of `files`, which fails with the problems of that file."""
    by_file: dict[str, list[Diagnostic]] = {file: [] for file in files}
    for problem in problems:
        by_file.setdefault(problem.location.path, []).append(problem)
    failures = sum(map(bool, by_file.values()))
    sizes = f'tests="{len(by_file)}" failures="{failures}" errors="0"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {sizes}>"]
    lines.append(f'<testsuite name="reconciler validate" {sizes}>')
    for file, found in by_file.items():
        lines += _case(file, found)
    return "\n".join([*lines, "</testsuite>", "</testsuites>"])


def _case(file: str, problems: Sequence[Diagnostic]) -> list[str]:
    name = quoteattr(_xml(one_line(file, _LENGTH)))
    if not problems:
        return [f'<testcase classname="manifests" name={name}/>']
    text = "\n".join(f"{one_line(str(each.location), _LENGTH)}: {each.code} {_words(each)}" for each in problems)
    first = quoteattr(_xml(counted(len(problems), "problem") + f": {_words(problems[0])}"))
    return [
        f'<testcase classname="manifests" name={name}>',
        f'<failure type="problem" message={first}>{escape(_xml(text))}</failure>',
        "</testcase>",
    ]


def _words(problem: Diagnostic) -> str:
    return one_line(" ".join(part for part in (problem.message, problem.hint) if part), _LENGTH)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
