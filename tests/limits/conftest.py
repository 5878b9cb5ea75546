"""The journey's desk, in a repository where that matters."""

import pytest

from tests.journey.conftest import MakeDesk, desk, make_desk
from tests.journey.desk import Desk
from tests.limits.repository import Repository

__all__ = ["MakeDesk", "desk", "make_desk", "repository"]


@pytest.fixture
def repository(desk: Desk) -> Repository:
    """Make the desk's folder a repository, with nothing committed yet."""
    return Repository.at(desk.folder)
