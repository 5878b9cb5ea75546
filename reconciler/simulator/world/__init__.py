"""The stand-in's world: tables, columns, cells, and how they change over time."""
