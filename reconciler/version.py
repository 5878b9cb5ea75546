"""The version alone: what everything may import."""

__version__ = "0.1.0"
