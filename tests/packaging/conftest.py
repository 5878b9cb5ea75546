"""The desk of the journeys, and the package index where it may be asked."""

import pytest

from tests.journey.conftest import desk, make_desk

__all__ = ["desk", "make_desk"]


@pytest.fixture
def index(request: pytest.FixtureRequest) -> None:
    """Ask only where a network is allowed."""
    if not request.config.getoption("--index"):
        pytest.skip("asks the package index, and the suite needs no network: run it with --index, as .ci/long does")
