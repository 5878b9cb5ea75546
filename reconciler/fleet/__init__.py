"""Many machines: what `submit`, `worker`, `follow` and `applies` do. Only `engine.py` knows the job queue."""
