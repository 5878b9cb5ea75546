"""The statements of each attempt, compiled once; on SQLite its driver runs them.

SQLAlchemy takes ten times as long to run a statement as SQLite takes for it, and there are a dozen of them to a call.
On a server its network takes longest, and SQLAlchemy runs them there.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Insert, Select, Table, TextClause, Update, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import POSTGRES_SCHEMA

_SQLITE = sqlite.dialect()
_named: Any = namedtuple  # mypy allows no fields that are only known once a query has run


class _Compiled(NamedTuple):
    """A statement as SQLite's driver takes it."""

    text: str
    names: tuple[str, ...]
    """Of its values, in their order."""
    constants: Mapping[str, Any]
    """Values that the statement itself gives."""


class Prepared:
    """A statement that is run with values of the same names each time, or of a few sets of names."""

    def __init__(
        self, statement: Insert | Update | Select[Any] | TextClause, on_server: TextClause | None = None
    ) -> None:
        """`on_server` is the statement for a server, if it is another one."""
        self._statement = statement
        self._on_server = statement if on_server is None else on_server
        self._compiled: dict[tuple[str, ...], _Compiled] = {}
        self._row: Callable[[Iterable[Any]], Any] | None = None

    def run(self, tx: Transaction, values: Mapping[str, Any]) -> int:
        """Change rows; return how many. Raises IntegrityError of SQLAlchemy, whichever the store."""
        if tx.is_on_sqlite:
            return int(self._on_sqlite(tx, values).rowcount)
        return tx.execute(self._on_server, values).rowcount

    def run_each(self, tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
        """Change rows by each of several sets of values."""
        if not tx.is_on_sqlite:
            tx.execute(self._on_server, rows)
            return
        for values in rows:
            self._on_sqlite(tx, values)

    def first(self, tx: Transaction, values: Mapping[str, Any]) -> Any:
        """Return the first row of what a query finds, None if it finds none."""
        if not tx.is_on_sqlite:
            return tx.execute(self._on_server, values).first()
        cursor = self._on_sqlite(tx, values)
        found = cursor.fetchone()
        if found is None:
            return None
        if self._row is None:
            self._row = _named("Row", [name for name, *_ in cursor.description])._make
        cursor.close()  # a query that is not at its end holds a lock
        return self._row(found)

    def _on_sqlite(self, tx: Transaction, values: Mapping[str, Any]) -> sqlite3.Cursor:
        names = tuple(values)
        compiled = self._compiled.get(names)
        if compiled is None:
            compiled = self._compiled[names] = self._compile(names)
        given = {**compiled.constants, **values} if compiled.constants else values
        try:
            cursor: sqlite3.Cursor = tx.driver.execute(compiled.text, [given[name] for name in compiled.names])
        except sqlite3.IntegrityError as error:
            raise IntegrityError(compiled.text, None, error) from error
        return cursor

    def _compile(self, names: tuple[str, ...]) -> _Compiled:
        compiled: Any = self._statement.compile(dialect=_SQLITE, column_keys=list(names))
        constants = {name: value for name, value in compiled.params.items() if name not in names}
        return _Compiled(str(compiled), tuple(compiled.positiontup or ()), constants)


def inserting(table: Table, names: Iterable[str], on_conflict: str) -> Prepared:
    """Return the statement that inserts a row of these columns, unless its key is there: then it does `on_conflict`.

    The row that is there is `mine`, the new one `excluded`.
    """
    keys = ", ".join(column.name for column in table.primary_key.columns)
    listed = tuple(names)
    values = ", ".join(f":{name}" for name in listed)
    rest = f"{table.name} AS mine ({', '.join(listed)}) VALUES ({values}) ON CONFLICT ({keys}) DO {on_conflict}"
    # The connection's translation of schemas does not reach text.
    return Prepared(text(f"INSERT INTO {rest}"), text(f"INSERT INTO {POSTGRES_SCHEMA}.{rest}"))
