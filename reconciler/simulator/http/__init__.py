"""The stand-in's HTTP: routes, shapes, and what an answer looks like."""
