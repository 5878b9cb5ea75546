"""The desk over a simulator, and a ledger in each store."""

from tests.journey.conftest import desk, make_desk
from tests.ledger.conftest import clock, ledger, opener, other, postgres_ledger, url
from tests.postgres import postgres_server

__all__ = ["clock", "desk", "ledger", "make_desk", "opener", "other", "postgres_ledger", "postgres_server", "url"]
