"""Files that are there as a whole or not at all."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_whole(path: Path, content: str | bytes | Iterable[str]) -> None:
    """Write a file, its content whole or in pieces, so that a reader sees all of it or nothing."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                file.writelines(piece.encode() for piece in ([content] if isinstance(content, str) else content))
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_profile(path: str, profile: Mapping[str, Any]) -> None:
    """Write where the time went, as JSON."""
    write_whole(Path(path), json.dumps(profile, indent=2) + "\n")
