"""Pages of JSON to snapshots of tables."""
