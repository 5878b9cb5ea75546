"""A page put together: its policy first, then its style, what it says, its data and its script."""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from reconciler.render.page.cells import Grid, Shade
from reconciler.render.page.markup import Html, joined, tag

_IN_SCRIPT = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}
"""In JSON these stand in strings alone; escaped, none of them ends the element or begins a comment."""


@dataclass(frozen=True, slots=True)
class Assets:
    """The style and script of every page: `page.css` and `page.js` of this folder."""

    style: str
    script: str


def page(title: str, body: str, assets: Assets, data: Mapping[str, Any] | None = None) -> str:
    """Return a whole page; `data` is what its script draws, without which there is no script."""
    head = [
        # First, so that it holds for all that follows.
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(assets, has_script=data is not None)),
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(assets.style)),
    ]
    scripts = []
    if data is not None:
        told = (
            json.dumps(data, ensure_ascii=True, separators=(",", ":")).translate(_IN_SCRIPT).replace("##[", r"##\u005b")
        )
        scripts = [tag("script", Html(told), type="application/json", id="data"), tag("script", Html(assets.script))]
    inner = joined([tag("head", joined(head)), tag("body", joined([body, *scripts]))])
    return f"<!doctype html>\n{tag('html', inner, lang='en')}\n"


def _policy(assets: Assets, *, has_script: bool) -> str:
    """Return a policy that allows this style and this script, and nothing else at all."""
    parts = ["default-src 'none'", f"style-src {_hash(assets.style)}", "base-uri 'none'", "form-action 'none'"]
    if has_script:
        parts.append(f"script-src {_hash(assets.script)}")
    return "; ".join(parts)


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


def drawing(grids: Iterable[Grid], sections: Sequence[tuple[Sequence[str], Sequence[str]]] = ()) -> dict[str, Any]:
    """Return what the script of a page draws; for each section of a table, its manifests and labels, to filter by."""
    return {
        "shades": [[shade.key, shade.glyph, shade.label] for shade in Shade],
        "sections": sections,
        "maps": [grid.content() for grid in grids],
    }
