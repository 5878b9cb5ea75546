"""Flags, environment, project file and git: where every setting comes from."""
