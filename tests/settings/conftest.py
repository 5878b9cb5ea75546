"""The journey's desk, in a repository where that matters."""

from tests.journey.conftest import MakeDesk, desk, make_desk
from tests.limits.conftest import repository

__all__ = ["MakeDesk", "desk", "make_desk", "repository"]
