"""The stand-in's HTTP: routes, shapes and encoding of answers."""
