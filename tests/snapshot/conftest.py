"""The journey's desk."""

from tests.journey.conftest import MakeDesk, desk, make_desk

__all__ = ["MakeDesk", "desk", "make_desk"]
