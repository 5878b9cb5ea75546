"""Canonical JSON and its SHA-256: one spelling for every value, so that equal means equal bytes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

PREFIX = "sha256:"
_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> bytes:
    """Return `value` as UTF-8 JSON with sorted keys and no spaces; ValueError for a number that JSON cannot express."""
    # A lone surrogate can come from a `\ud800` in the API's JSON; it must hash, not crash.
    return _JSON.encode(value).encode("utf-8", "surrogatepass")


def digest(value: Any) -> str:
    """Return `sha256:<64 hex digits>` of the canonical JSON of `value`."""
    return PREFIX + hashlib.sha256(canonical_json(value)).hexdigest()


def digest_of_parts(value: Mapping[str, Any]) -> str:
    """Return `digest(value)`, with the items of its lists encoded one by one: a large plan is never one string."""
    hashed = hashlib.sha256()
    for index, key in enumerate(sorted(value)):
        hashed.update((b"," if index else b"{") + canonical_json(key) + b":")
        part = value[key]
        if isinstance(part, Sequence) and not isinstance(part, str):
            hashed.update(b"[")
            for position, item in enumerate(part):
                hashed.update((b"," if position else b"") + canonical_json(item))
            hashed.update(b"]")
        else:
            hashed.update(canonical_json(part))
    hashed.update(b"}" if value else b"{}")
    return PREFIX + hashed.hexdigest()


def short_digest(value: Any, characters: int = 32) -> str:
    """Return the first `characters` hex digits of the digest, for ids that people copy."""
    return hashlib.sha256(canonical_json(value)).hexdigest()[:characters]
