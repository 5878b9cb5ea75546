"""Statements of the ledger, compiled once in a process of tests instead of once for each ledger that is opened.

SQLAlchemy keeps what it has compiled with the engine, as a program wants that has one. The tests open thousands, and
compiling took a fifth of their time. What is sent to a store stays the same: the key is the whole statement, and
everything of its dialect that words it. `EXAMPLES=all pytest` lets each engine compile for itself.
"""

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import LRUCache

_MOST = 2000


class _Compiled:
    """Compiled statements by key, which engines of the same kind share; SQLAlchemy's own keys tell statements apart."""

    def __init__(self) -> None:
        self._found: LRUCache[Any, Any] = LRUCache(_MOST)

    def get(self, key: tuple[Any, ...]) -> Any:
        """Return what was compiled for a key; None if nothing was."""
        return self._found.get(_of_any_engine(key))

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        self._found[_of_any_engine(key)] = compiled


def _of_any_engine(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *rest = key
    return (type(dialect), dialect.server_version_info, dialect.paramstyle, *rest)


def share() -> None:
    """Let all engines of this process share what they compile."""
    compiled = _Compiled()

    @event.listens_for(Engine, "engine_connect")
    def _use(connection: Connection) -> None:
        connection.execution_options(compiled_cache=compiled)
