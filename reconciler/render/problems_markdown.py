"""Problems of manifests as Markdown, for a CI job's summary."""

from collections.abc import Sequence

from reconciler.render.markdown import LIMIT, Section, code, fit
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import counted

POINTER = "`reconciler validate` prints all of them."


def problems_markdown(problems: Sequence[Diagnostic], limit: int = LIMIT) -> str:
    """Return a heading with the count, then each problem with its location."""
    files = len({problem.location.path for problem in problems})
    head = f"### Validate: {counted(len(problems), 'problem')} in {counted(files, 'file')}"
    rows = [
        f"- {code(str(each.location), 400)} {code(each.message, 400)}"
        + (f" {code(each.hint, 400)}" if each.hint else "")
        for each in problems
    ]
    return fit(head, [Section("problem", rows)] if rows else [], "", POINTER, limit)
