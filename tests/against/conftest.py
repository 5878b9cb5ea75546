"""The journey's desk, in a repository."""

from tests.limits.conftest import MakeDesk, desk, make_desk, repository

__all__ = ["MakeDesk", "desk", "make_desk", "repository"]
