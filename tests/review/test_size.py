"""However large a plan is, its Markdown can be posted, begins with the sums, and says what it leaves out."""

import re
import time
from typing import Any

import pytest

from reconciler.render.markdown import LIMIT, Section, fit
from reconciler.render.plan_markdown import plan_headline, plan_markdown
from reconciler.render.report_markdown import report_markdown
from tests.review.hostile_texts import names
from tests.review.plans_and_reports import call, line, plan, report, result, run, table

TABLES = 10_000


def large(name: str = "team") -> dict[str, Any]:
    """Return a plan of ten thousand tables, each with a call."""
    return plan(
        tables=[table(f"{name}-{n}", f"Table {n}", "idle", run(f"{name}-{n}/fill")) for n in range(TABLES)],
        calls=[call(f"{name}-{n}/fill", ["news"]) for n in range(TABLES)],
    )


def test_ten_thousand_tables() -> None:
    """The largest twenty and the sums of the rest, headline intact, in well under a second a thousand."""
    content = large()
    began = time.monotonic()
    text = plan_markdown(content)
    assert time.monotonic() - began < 10
    assert len(text.encode()) <= LIMIT <= 60_000
    assert text.splitlines()[0] == "### Plan: 10,000 tables, 10,000 calls, 30,000 cells, 30,000 credits"
    assert text.count("\n#### ") == 20
    assert text.count("| `team-") == 20
    rest = "… and 9,980 smaller manifests: 9,980 calls, 29,940 cells, 29,940 credits. The plan file has all of it."
    assert rest in text.splitlines()
    assert len(text) < 20_000
    assert text.endswith("made `2026-01-01T00:00:00Z`.")


def test_ten_thousand_tables_with_wide_names() -> None:
    """Names of characters that take four bytes each count as such."""
    text = plan_markdown(large("\U0001f40d" * 60))
    assert len(text.encode()) <= LIMIT
    assert text.startswith("### Plan: 10,000 tables")


def test_what_is_left_out_is_what_is_missing() -> None:
    """The characters it claims to be shortened by are those that a text without limit has more."""
    content = plan(
        tables=[table("t", "Table", "idle", *(run(f"t/run-{n}") for n in range(400)))],
        calls=[call(f"t/run-{n}", ["news"]) for n in range(400)],
    )
    whole, short = plan_markdown(content, limit=10**9), plan_markdown(content, limit=20_000)
    claimed = re.search(r"\*\*Shortened by ([\d,]+) characters", short)
    assert claimed is not None
    notice = next(part for part in short.split("\n\n") if part.startswith("**Shortened"))
    missing = len(whole) - (len(short) - len(notice))
    assert abs(missing - int(claimed[1].replace(",", ""))) <= 2 * 402  # the empty lines between what is left out


def test_a_table_that_does_not_fit_loses_its_last_rows() -> None:
    """And no row is cut in half, no folded part left open."""
    runs = [run(f"big/run-{n}") for n in range(5000)]
    content = plan(tables=[table("big", "Big", "idle", *runs)], calls=[call("big/run-0", ["news"])])
    text = plan_markdown(content)
    assert len(text.encode()) <= LIMIT
    rows = [line for line in text.splitlines() if line.startswith("| `run-")]
    assert len(rows) > 500
    assert all(row.endswith("|") for row in rows)
    assert rows[-1].startswith(f"| `run-{len(rows) - 1}` |")
    assert text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize("count", [10, 100, 1000, 3000])
def test_hostile_names_under_the_limit(count: int) -> None:
    """Escaping makes names longer, and the limit holds for what is written."""
    each = names(count)
    content = plan(
        tables=[table(name, name, name, run(f"{name}/{number}")) for number, name in enumerate(each)],
        calls=[call(f"{name}/{number}", [name]) for number, name in enumerate(each)],
        diagnostics=[{"path": name, "line": 1, "column": 1, "message": name * 30, "hint": name} for name in each],
    )
    text = plan_markdown(content)
    assert len(text.encode()) <= LIMIT
    assert text.splitlines()[0] == f"### {plan_headline(content)}"


def test_a_large_receipt() -> None:
    """Is shortened the same way."""
    manifests = [f"team-{n}" for n in range(TABLES)]
    text = report_markdown(
        report(calls=[result(f"{m}/x") for m in manifests], by_manifest=[line(m) for m in manifests])
    )
    assert len(text.encode()) <= LIMIT
    assert text.startswith("### Applied: 10,000 calls accepted, 30,000 cells, 30,000 credits\n")
    assert "10,000 calls are left out here. The report file has all of it." in text


@pytest.mark.parametrize("number", [10**300, -(10**300), 1e300, 1.5, None], ids=str)
def test_numbers_that_a_file_may_claim(number: Any) -> None:
    """Of any length, they do not make the headline long."""
    content = plan(calls=[call("a/b", ["news"])])
    content["totals"] = {**content["totals"], "cells": number or 0, "credits": number}
    assert len(plan_headline(content)) < 200


@pytest.mark.parametrize("limit", range(900, 3000, 100))
def test_any_limit_is_kept(limit: int) -> None:
    """Also where hardly anything fits."""
    sections = [Section("row", [f"- {'é' * n}" for n in range(1, 60)], "Head", "Tail") for _ in range(5)]
    assert len(fit("### Head", sections, "Foot", "Pointer.", limit).encode()) <= limit
