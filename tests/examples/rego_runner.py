"""`conftest test` and `opa eval` as far as the guide uses them, by rego-cpp: no package index has their own programs.

As a program: `rego_runner.py conftest|opa ARGUMENT…`. Exits 1 if a plan is denied.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regopy import Interpreter


@dataclass
class Verdict:
    """The findings of Conftest's rules about a document."""

    deny: list[str]
    warn: list[str]


def verdict(rules: Path, content: Any) -> Verdict:
    """Ask the rules in a folder about a document."""
    return Verdict(_asked(rules, content, "data.main.deny"), _asked(rules, content, "data.main.warn"))


def _asked(rules: Path, content: Any, query: str) -> list[str]:
    rego = Interpreter()
    for file in sorted(rules.glob("*.rego")):
        rego.add_module(file.stem, file.read_text(encoding="utf-8"))
    rego.set_input(content)
    output = rego.query(query)
    assert output.ok(), output
    return sorted(output.results[0].expressions[0])


def main(program: str, *arguments: str) -> int:
    """Do as the program would."""
    parser = argparse.ArgumentParser(prog=program)
    if program == "conftest":
        parser.add_argument("test", choices=["test"])
        parser.add_argument("--policy", type=Path, required=True)
        parser.add_argument("plan", type=Path)
        told = parser.parse_args(arguments)
        found = verdict(told.policy, json.loads(told.plan.read_text(encoding="utf-8")))
        lines = [*(f"FAIL - {each}" for each in found.deny), *(f"WARN - {each}" for each in found.warn)]
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return 1 if found.deny else 0
    parser.add_argument("eval", choices=["eval"])
    parser.add_argument("--fail-defined", action="store_true", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("query")
    told = parser.parse_args(arguments)
    assert told.query.endswith("[_]"), told.query
    denied = _asked(told.data, json.loads(told.input.read_text(encoding="utf-8")), told.query.removesuffix("[_]"))
    sys.stdout.writelines(f"{each}\n" for each in denied)
    return 1 if denied else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
