"""The stand-in's world: tables, columns, cells, and what time does to them."""
