"""Output of `validate`, `plan` and `apply` for a CI: annotations, reports for its pages, the job's summary."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.cli.console import Console
from reconciler.cli.plan_outcome import append_summary
from reconciler.render import annotations, check_reports
from reconciler.render.plan_markdown import plan_headline, plan_markdown
from reconciler.render.problems_markdown import problems_markdown
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import counted


def answer_problems(console: Console, form: str, problems: Sequence[Diagnostic], files: Sequence[str] = ()) -> bool:
    """Answer with the problems of manifests in a CI's form; return False if the form is not for problems."""
    rooted = [replace(each, location=annotations.moved(each.location, _prefix())) for each in problems]
    if form == "github":
        console.command(annotations.workflow_commands(annotations.of_problems(rooted)))
        append_summary(problems_markdown(rooted))
    elif form == "gitlab":
        console.answer(check_reports.code_quality(rooted))
    elif form == "sarif":
        console.answer(check_reports.sarif(rooted))
    elif form == "junit":
        console.answer(check_reports.junit(problems, files))
    else:
        return False
    return True


def answer_valid(console: Console, form: str, summary: str, files: Sequence[str]) -> None:
    """Answer that there is no problem, in a CI's form."""
    if form == "github":
        notice = annotations.Annotation(annotations.Level.NOTICE, f"Validate: {counted(len(files), 'file')}", summary)
        console.command(annotations.workflow_commands([notice]))
    else:
        answer_problems(console, form, (), files)


def answer_plan(console: Console, form: str, content: Mapping[str, Any], *, is_saved: bool) -> bool:
    """Answer with a plan's document in a CI's form; False for another form."""
    if form == "gitlab":
        return answer_problems(console, form, annotations.problems_of(content))
    if form not in ("github", "markdown"):
        return False
    # The plan's path is text from outside, so it is not repeated in Markdown.
    pointer = "The plan file has all of it." if is_saved else "Save the plan with `--out` to have all of it."
    text = plan_markdown(content, pointer=pointer)
    if form == "github":
        found = annotations.of_plan(content, plan_headline(content))
        console.command(annotations.workflow_commands(annotations.relocated(found, _prefix())))
    else:
        console.answer(text)
    append_summary(text)
    return True


def _prefix() -> str:
    """Return the working directory relative to the repository's root, where annotation paths begin."""
    workspace = os.environ.get("GITHUB_WORKSPACE") or os.environ.get("CI_PROJECT_DIR")
    here = Path.cwd().resolve()
    if not workspace or not here.is_relative_to(Path(workspace).resolve()):
        return ""
    prefix = here.relative_to(Path(workspace).resolve()).as_posix()
    return "" if prefix == "." else prefix
