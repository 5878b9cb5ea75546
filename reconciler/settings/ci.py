"""Whether this is a CI job. By itself, because the program asks before it has imported anything else."""

from collections.abc import Mapping


def is_ci(environment: Mapping[str, str]) -> bool:
    """Return whether this is a CI job: `CI` is set, and neither empty, `0` nor `false`."""
    return environment.get("CI", "").strip().lower() not in ("", "0", "false")
