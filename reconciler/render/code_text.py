"""One code as text: its title, why it is a problem, and how to mend it."""

from reconciler.text.codes import Code


def code_text(code: Code) -> str:
    """Return the code's text."""
    return f"{code} {code.summary}\n\nWhy:  {code.why}\nMend: {code.mend}"
