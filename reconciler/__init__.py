"""Declarative, reviewed, at-most-once runs of Extruct AI tables."""

__version__ = "0.1.0"
