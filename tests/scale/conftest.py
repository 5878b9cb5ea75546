"""The desk of the journey."""

from tests.journey.conftest import make_desk

__all__ = ["make_desk"]
