"""Run by Alembic for every command: migrate on the connection that `migrate.upgrade` gives, in its transaction."""

from alembic import context

from reconciler.ledger.tables import POSTGRES_SCHEMA

connection = context.config.attributes["connection"]
# Alembic looks for its own table without the connection's translation of schemas, by which it was created.
schema = None if connection.dialect.name == "sqlite" else POSTGRES_SCHEMA
context.configure(connection=connection, version_table_schema=schema, transactional_ddl=True)
context.run_migrations()
