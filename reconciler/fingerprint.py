"""Canonical JSON and its SHA-256: one spelling for every value, so that equal means equal bytes."""

import hashlib
import json
from typing import Any

PREFIX = "sha256:"


def canonical_json(value: Any) -> bytes:
    """Return `value` as UTF-8 JSON with sorted keys and no spaces; a number that JSON cannot say is a ValueError."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # A lone surrogate can come from a `\ud800` in the API's JSON; it must hash, not crash.
    return text.encode("utf-8", "surrogatepass")


def digest(value: Any) -> str:
    """Return `sha256:<64 hex digits>` of the canonical JSON of `value`."""
    return PREFIX + hashlib.sha256(canonical_json(value)).hexdigest()


def short_digest(value: Any, characters: int = 32) -> str:
    """Return the first `characters` hex digits of the digest, for ids that people copy."""
    return hashlib.sha256(canonical_json(value)).hexdigest()[:characters]
