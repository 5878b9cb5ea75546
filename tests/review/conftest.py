"""The journey's desk, and a forge to post comments to."""

from collections.abc import Iterator

import pytest

from tests.journey.conftest import desk, make_desk
from tests.review.forge_server import Forge, serve_forge

__all__ = ["desk", "forge", "make_desk"]


@pytest.fixture
def forge() -> Iterator[Forge]:
    """Return a forge that answers at a URL."""
    with serve_forge() as forge:
        yield forge
