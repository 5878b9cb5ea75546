"""YAML files to manifests, and back: strict reading, all problems at once."""
