"""Reading the file of a saved plan, whoever applies it."""

from datetime import UTC, datetime
from pathlib import Path

from reconciler.documents import saved_plan
from reconciler.documents.saved_plan import SavedPlan
from reconciler.errors import StalePlan
from reconciler.manifests import json_schema


def read_saved_plan(path: Path, max_age_seconds: float) -> SavedPlan:
    """Read a plan file. Raises StalePlan for one that is not understood, OSError."""
    content = saved_plan.parse(path.read_text(encoding="utf-8", errors="replace"))
    problems = json_schema.problems("plan", content)
    if problems:
        raise StalePlan(
            f"the plan file is not understood: {problems[0].message}",
            hint="It was edited, or made by another version. Make a new plan and have that one approved.",
        )
    return saved_plan.read(content, datetime.now(UTC), max_age_seconds)
