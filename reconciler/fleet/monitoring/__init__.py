"""How a worker is watched: its figures for Prometheus, its health, and the ids that logs and traces share."""
