"""Run by Alembic for every command: migrate on the connection that `migrate.upgrade` gives, in its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
