"""Reads YAML files into manifests, strictly and with all problems at once, and writes manifests for live tables."""
