"""Everything wrong with a value by a JSON Schema, in plain words.

jsonschema finds the faults; its messages are for programmers, so each is reworded here. A schema can add to them:
`patternErrorMessage` (which editors also know) follows the path of a text that does not match, `errorHint` says what to
do if a rule next to it fails, `errorMessage` replaces the message, `errorCode` its code, `errorKey` names the key to
point at, and a `writeOnly` text is never shown.
"""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any

from jsonschema import Draft7Validator, validators
from jsonschema.exceptions import ValidationError

from reconciler.manifests.json_schema import SchemaProblem, text
from reconciler.text.codes import Code
from reconciler.text.phrases import close_to, did_you_mean, kind_of, one_of, path_text, quote
from reconciler.text.sanitize import one_line

MAX_PROBLEMS = 100
"""The most problems reported for one value; a hostile value could have a hundred thousand."""

MOST_KEYS = 20
"""Allowed keys that a message lists."""

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
}


def problems(name: str, value: object) -> list[SchemaProblem]:
    """Return the problems of `value` by the schema `name`, at most the first hundred; [] if it is valid."""
    validator = _validator(name)
    root = str(validator.schema.get("title", "the document"))
    try:
        errors = validator.iter_errors(value)
        found = [_say(error, root) for error in _worth_saying(list(islice(errors, MAX_PROBLEMS)))]
        there_are_more = next(errors, None) is not None
    except RecursionError:  # a parser may read deeper nesting than can be written into a message
        return [SchemaProblem((), Code.TOO_LARGE, "it is nested too deeply")]
    if there_are_more:
        found.append(
            SchemaProblem((), Code.TOO_MANY_PROBLEMS, f"these are the first problems of {root}; there are more")
        )
    return found


def _required(validator: Any, required: list[str], value: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """Report each missing key in its own error, except one that is present with a spelling mistake."""
    if validator.is_type(value, "object"):
        missing = [key for key in required if key not in value]
        meant: set[str | None] = set()
        if missing and schema.get("additionalProperties") is False:
            known = schema.get("properties", {})
            meant = {close_to(key, known) for key in islice(value, MAX_PROBLEMS) if key not in known}
        yield from (ValidationError(key) for key in missing if key not in meant)


def _additional(validator: Any, allowed: Any, value: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """Give each unknown key its own error."""
    if allowed is not False:
        yield from Draft7Validator.VALIDATORS["additionalProperties"](validator, allowed, value, schema)
    elif validator.is_type(value, "object"):
        known = schema.get("properties", {})
        yield from (ValidationError(key, path=[key]) for key in value if key not in known)


def _unique(validator: Any, unique: bool, value: Any, _: dict[str, Any]) -> Iterator[ValidationError]:
    """Give each repeated item its own error, in linear time: the library compares all pairs if it cannot sort."""
    if unique and validator.is_type(value, "array"):
        seen: set[str] = set()
        for index, item in enumerate(value):
            spelled = json.dumps(item, sort_keys=True)
            if spelled in seen:
                yield ValidationError("listed twice", path=[index])
            seen.add(spelled)


def _is_integer(_: object, value: object) -> bool:
    """Return whether a value is a whole number. Draft-07 also accepts 3.0, which in a manifest is a mistake."""
    return isinstance(value, int) and not isinstance(value, bool)


_extend: Any = validators.extend
_Validator = _extend(
    Draft7Validator,
    {"required": _required, "additionalProperties": _additional, "uniqueItems": _unique},
    type_checker=Draft7Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


@cache
def _validator(name: str) -> Any:
    return _Validator(json.loads(text(name)))


def _worth_saying(errors: list[ValidationError]) -> list[ValidationError]:
    """Keep the most helpful of the errors at one place: the schema's own message, else the wrong type, else all."""

    def weight(error: ValidationError) -> int:
        return 2 if isinstance(error.schema, dict) and "errorMessage" in error.schema else error.validator == "type"

    heaviest: dict[tuple[str | int, ...], int] = {}
    for error in errors:
        at = tuple(error.absolute_path)
        heaviest[at] = max(weight(error), heaviest.get(at, 0))
    return [error for error in errors if weight(error) == heaviest[tuple(error.absolute_path)]]


def _say(error: ValidationError, root: str) -> SchemaProblem:
    """Turn one error of jsonschema into plain words."""
    at = tuple(error.absolute_path)
    rule: Any = error.validator
    limit: Any = error.validator_value
    value: Any = error.instance
    schema: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    hint = schema.get("errorHint", "")
    subject = path_text(at, root)
    if "errorMessage" in schema:
        key, code = schema.get("errorKey"), Code.of(schema.get("errorCode", Code.CONFLICTING_KEYS))
        return SchemaProblem((*at, key) if key else at, code, schema["errorMessage"], hint, at_key=True)
    if rule == "additionalProperties" and at and isinstance(at[-1], str):
        guess = did_you_mean(at[-1], schema.get("properties", {}))
        inside = path_text(at[:-1], root)
        message = f"unknown key {quote(at[-1])} in {inside}{guess}"
        return SchemaProblem(at, Code.UNKNOWN_KEY, message, _allowed(schema.get("properties", {})), at_key=True)
    if rule == "uniqueItems" and at:
        return SchemaProblem(
            at, Code.LISTED_TWICE, f"{_shown(value[at[-1]])} is listed twice in {path_text(at[:-1], root)}"
        )
    if rule == "required":
        choices = schema.get("properties", {}).get(error.message, {}).get("enum", [])
        needs = f"{subject} needs {quote(error.message)}"
        return SchemaProblem(at, Code.MISSING_KEY, f"{needs}: {one_of(choices)}" if choices else needs, hint)
    fault = _fault(rule, limit, value, schema) or one_line(error.message)
    code = _CODES.get(rule, Code.WRONG_FORMAT)
    if "propertyNames" in error.absolute_schema_path:
        return SchemaProblem((*at, value), code, f"the key {quote(value)} in {subject} {fault}", hint, at_key=True)
    if rule == "pattern" and not schema.get("writeOnly"):
        fault += f"; it is {_shown(value)}"
    if rule == "type" and "string" in limit and isinstance(value, int | float):
        hint = "Put it in quotes."
    return SchemaProblem(at, code, f"{subject} {fault}", hint, at_key=value is None)


def _fault(rule: str, limit: Any, value: Any, schema: dict[str, Any]) -> str:
    """Return the predicate of a sentence whose subject is the value (or key) that failed; empty for a rare rule."""
    if rule == "type":
        return _wrong_type([limit] if isinstance(limit, str) else limit, value, schema)
    if rule in ("enum", "const"):
        choices = [str(choice) for choice in (limit if rule == "enum" else [limit])]
        guess = did_you_mean(str(value), choices) if len(choices) > 1 else ""
        return f"is {_shown(value)}" + (guess or f"; it must be {one_of(choices)}")
    if rule == "pattern":
        return str(schema.get("patternErrorMessage", f"must match {quote(limit)}"))
    if rule in ("minLength", "minItems", "minProperties") and not value:
        return "is an empty list" if isinstance(value, list) else "is empty"
    if rule in _SIZES:
        parts = "characters" if isinstance(value, str) else "entries" if isinstance(value, list) else "keys"
        return f"must have {_SIZES[rule]} {limit} {parts}, but it has {len(value)}"
    if rule in _BOUNDS:
        return f"must be {_BOUNDS[rule]} {limit}, but it is {_shown(value)}"
    return ""


def _wrong_type(wanted: list[str], value: object, schema: dict[str, Any]) -> str:
    kinds = " or ".join(_TYPES[kind] for kind in wanted)
    if value is None:
        return f"is empty; it must be {one_of(schema['enum']) if 'enum' in schema else kinds}"
    if "string" in wanted and isinstance(value, int | float):
        return f"must be {kinds}, but YAML reads this as {kind_of(value)}"
    return f"must be {kinds}, but it is {_shown(value) if isinstance(value, float) else kind_of(value)}"


_SIZES = {
    "minLength": "at least",
    "minItems": "at least",
    "minProperties": "at least",
    "maxLength": "at most",
    "maxItems": "at most",
    "maxProperties": "at most",
}
_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
}


_CODES = {
    "type": Code.WRONG_TYPE,
    **dict.fromkeys(("enum", "const"), Code.UNKNOWN_CHOICE),
    **dict.fromkeys(_SIZES, Code.WRONG_SIZE),
    **dict.fromkeys(_BOUNDS, Code.OUT_OF_RANGE),
}
"""A rule of JSON Schema → the code of what breaks it; the others are about a value's format."""


def _allowed(keys: Iterable[str]) -> str:
    """Return which keys there may be: those of a schema, and no more than a person reads."""
    names = list(keys)
    if not names:
        return "No key is allowed here."
    more = f" and {len(names) - MOST_KEYS} more" if len(names) > MOST_KEYS else ""
    return f"Allowed here: {', '.join(map(quote, names[:MOST_KEYS]))}{more}."


def _shown(value: object) -> str:
    """Return a short value itself, or the kind of a long one."""
    if isinstance(value, str):
        return quote(value)
    return f"`{value}`" if isinstance(value, int | float) and not isinstance(value, bool) else kind_of(value)
