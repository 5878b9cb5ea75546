"""The list of every key of every schema: `schemas/README.md`, made from the schemas.

`pytest tests/documentation --rewrite-golden` writes it.
"""

import json
from collections.abc import Iterator
from typing import Any

from reconciler.manifests import json_schema
from reconciler.text.codes import Code
from reconciler.text.numbers import counted

Schema = dict[str, Any]

SECTIONS = {
    "manifest": "Manifest",
    "project": "Project file",
    "workspace": "Simulator workspace",
    "plan": "Plan file",
    "report": "Report",
    "status": "Status",
    "drift": "Drift",
    "notification": "Notification",
    "forecast": "Forecast",
    "validation": "Validation",
    "reconciliation": "Reconciliation",
    "checkup": "Checkup",
}
"""Schema → its heading: first the documents that people write, then those that the program writes."""

_HEAD = """\
# Every key

The JSON Schemas of the documents that you write and of those that the program writes, in draft-07, which editors read.
This page is made from them by `pytest tests/documentation --rewrite-golden`; edit the schemas, not this page.
`reconciler schema NAME` prints a schema. The [guide to manifests](../examples/README.md) explains how the keys work
together.

In a path, `[]` is each entry of a list and `<key>` each key of a mapping. Required keys are bold.
"""
_CODES = """\
## Codes of problems

Every problem of a manifest, the project file, a setting, the API, a plan or the ledger has one of these codes. A code
never changes its meaning and is never used again. `reconciler explain E101` prints one of them.
"""
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
}
_TYPES = {
    "object": "mapping",
    "array": "list",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}


def reference() -> str:
    """Return the page."""
    assert set(SECTIONS) == set(json_schema.names())
    contents = "".join(f"- [{title}](#{title.lower().replace(' ', '-')}): `{name}.v1.json`\n"
                       for name, title in SECTIONS.items())  # fmt: skip
    contents += "- [Codes of problems](#codes-of-problems)\n"
    return "\n".join([_HEAD, contents, *(_section(name, title) for name, title in SECTIONS.items()), _codes()])


def _codes() -> str:
    """List every code: what it means, why, and how to mend it."""
    rows = [f"| `{code}` | {_cell(code.summary)} | {_cell(code.why)} | {_cell(code.mend)} |" for code in Code]
    return "\n".join([_CODES, "| code | problem | why | how to mend it |", "|---|---|---|---|", *rows]) + "\n"


def _section(name: str, title: str) -> str:
    schema = json.loads(json_schema.text(name))
    lines = [f"## {title}\n", f"{schema['description']}\n", *_table(schema, schema)]
    for named in _recursive(schema):
        lines += [f"\n### {named}\n", *_table(schema["definitions"][named], schema, (named,))]
    return "\n".join(lines) + "\n"


def _table(schema: Schema, root: Schema, inside: tuple[str, ...] = ()) -> Iterator[str]:
    yield "| key | value | meaning |"
    yield "|---|---|---|"
    for path, is_required, item in _keys(schema, root, "", inside):
        key = f"**`{path}`**" if is_required else f"`{path}`"
        yield f"| {key} | {_value(item, root)} | {_cell(item.get('description', ''))} |"


def _keys(schema: Schema, root: Schema, path: str, inside: tuple[str, ...]) -> Iterator[tuple[str, bool, Schema]]:
    """Yield each key below a schema: its path, whether it is required, and its schema with references followed."""
    required = schema.get("required", [])
    for name, item in schema.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        resolved = _resolve(item, root)
        yield below, name in required, resolved
        yield from _below(item, root, below, inside)


def _below(item: Schema, root: Schema, path: str, inside: tuple[str, ...]) -> Iterator[tuple[str, bool, Schema]]:
    """Yield the keys of a value, of its entries and of its alternatives; stop at a definition that holds itself."""
    named = _name(item)
    if named in inside or named in _recursive(root):
        return
    resolved = _resolve(item, root)
    yield from _keys(resolved, root, path, inside)
    for other in resolved.get("oneOf", []):
        yield from _keys(_resolve(other, root), root, path, inside)
    if isinstance(resolved.get("items"), dict):
        yield from _below(resolved["items"], root, f"{path}[]", inside)
    if isinstance(resolved.get("additionalProperties"), dict):
        value = _resolve(resolved["additionalProperties"], root)
        if "properties" in value:
            yield f"{path}.<key>", False, value
            yield from _below(value, root, f"{path}.<key>", inside)


def _recursive(root: Schema) -> list[str]:
    """Return the definitions that hold themselves: each has a table of its own."""
    found = []
    for name, definition in root.get("definitions", {}).items():
        if f'"#/definitions/{name}"' in json.dumps(definition):
            found.append(name)
    return found


def _name(item: Schema) -> str:
    return str(item.get("$ref", "")).removeprefix("#/definitions/")


def _resolve(item: Schema, root: Schema) -> Schema:
    """Return a schema with its reference followed; what stands beside the reference is stronger."""
    return {**root["definitions"][_name(item)], **item} if "$ref" in item else item


def _value(item: Schema, root: Schema) -> str:
    """Return in a few words what a value may be."""
    words = _kind(item, root)
    if "enum" in item:
        words = ", ".join(f"`{json.dumps(choice).strip(chr(34))}`" for choice in item["enum"])
    if "oneOf" in item:
        words = " or ".join(dict.fromkeys(_kind(other, root) for other in item["oneOf"]))
    bounds = [f"{text} {item[rule]:,}" for rule, text in _BOUNDS.items() if rule in item]
    if item.get("maxLength"):
        bounds.append(f"at most {counted(item['maxLength'], 'character')}")
    default = [f"default `{json.dumps(item['default']).strip(chr(34))}`"] if "default" in item else []
    return _cell("; ".join([", ".join([words, *bounds]), *default]))


def _kind(item: Schema, root: Schema) -> str:
    if _name(item) in _recursive(root):
        return f"[`{_name(item)}`](#{_name(item)})"
    item = _resolve(item, root)
    kinds = item.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = [_TYPES.get(kind, kind) for kind in kinds]
    if isinstance(item.get("items"), dict):
        entry = _kind(item["items"], root)
        words = [f"list of {'' if entry == 'any' else entry}".rstrip() if word == "list" else word for word in words]
    return " or ".join(words)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
