"""The desk over a simulator, in a repository where one is asked for."""

from tests.limits.conftest import MakeDesk, desk, make_desk, repository

__all__ = ["MakeDesk", "desk", "make_desk", "repository"]
