"""The desk over a simulator."""

from tests.journey.conftest import desk, make_desk

__all__ = ["desk", "make_desk"]
