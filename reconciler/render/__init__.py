"""Nouns → text for people. Every function returns a string; the commands print it."""
