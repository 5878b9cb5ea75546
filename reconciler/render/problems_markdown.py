"""Problems of manifests as Markdown, for a CI job's summary."""

from collections.abc import Mapping, Sequence

from reconciler.render.markdown import LIMIT, Section, code, fit
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import counted

POINTER = "`reconciler validate` prints all of them."


def problems_markdown(problems: Sequence[Diagnostic], limit: int = LIMIT) -> str:
    """Return a heading with the count, then each problem with its location."""
    files = len({problem.location.path for problem in problems})
    head = f"### Validate: {counted(len(problems), 'problem')} in {counted(files, 'file')}"
    rows = [_row(str(each.location), each.code, each.message, each.hint) for each in problems]
    return fit(head, [Section("problem", rows)] if rows else [], "", POINTER, limit)


def kept_problems_markdown(head: str, problems: Sequence[Mapping[str, str]], foot: str, limit: int = LIMIT) -> str:
    """Return the problems of a file that `plan --problems` wrote between words of the caller's own making."""
    rows = [_row(each["location"], each["code"], each["message"], each["hint"]) for each in problems]
    return fit(head, [Section("problem", rows)] if rows else [], foot, POINTER, limit)


def _row(location: str, number: str, message: str, hint: str) -> str:
    place = "".join(f"{code(each, 400)} " for each in (location, number) if each)
    return f"- {place}{code(message, 400)}" + (f" {code(hint, 400)}" if hint else "")
