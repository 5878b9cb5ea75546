"""Nouns: frozen values, and questions they answer about themselves. Nothing here reads a clock, a file or a socket."""
