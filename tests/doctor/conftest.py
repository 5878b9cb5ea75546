"""The desk over a simulator, and PostgreSQL."""

from tests.journey.conftest import desk, make_desk
from tests.postgres import postgres_server, postgres_url

__all__ = ["desk", "make_desk", "postgres_server", "postgres_url"]
