"""The desk of the main path, whose simulator a session is opened on."""

from tests.journey.conftest import desk, make_desk

__all__ = ["desk", "make_desk"]
