"""Nouns → text for people. Every function returns a string; printing is the command's."""
