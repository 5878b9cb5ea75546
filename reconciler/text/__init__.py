"""Words and numbers as people and JSON read them; imports nothing of ours."""
