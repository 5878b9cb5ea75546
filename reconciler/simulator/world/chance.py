"""Reproducible randomness: every draw is a digest of the seed and of its purpose."""

import hashlib
import uuid


def draw(seed: int, *parts: str | int) -> int:
    """Return 128 bits that depend only on the arguments."""
    text = "\x1f".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def share(seed: int, *parts: str | int) -> float:
    """Return a number in [0, 1)."""
    return (draw(seed, *parts) >> 75) / (1 << 53)


def identifier(seed: int, *parts: str | int) -> str:
    """Return a lower-case UUID."""
    return str(uuid.UUID(int=draw(seed, *parts), version=4))
