"""Nouns: frozen values, and questions about themselves. Nothing here reads a clock, a file or a socket."""
