"""The certificates that come with the program, for a system that has none: loaded only there."""

import certifi


def path() -> str:
    """Return the path of the file."""
    return certifi.where()
