"""The desk of the journey."""

from tests.journey.conftest import desk, make_desk

__all__ = ["desk", "make_desk"]
