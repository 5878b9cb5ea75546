"""Kinds of columns: what they depend on and cost, which of them a table brings along, and which make no sense."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

INPUT: Final = "input"
AGENT: Final = "agent"
PEOPLE_FINDER: Final = "company_people_finder"
EMAIL_FINDER: Final = "email_finder"
PHONE_FINDER: Final = "phone_finder"
REVERSE_EMAIL: Final = "reverse_email_lookup"

AGENT_TYPES: Final = ("research_pro", "research", "research_reasoning", "llm", "linkedin")
OUTPUT_FORMATS: Final = (
    "text", "number", "numeric", "money", "select", "multiselect", "json", "grade", "label", "date", "url", "email",
    "phone",
)  # fmt: skip
INJECTED: Final[Mapping[str, tuple[str, ...]]] = {
    "generic": (),
    "company": ("company_name", "company_website"),
    "people": ("full_name", "profile_url", "role"),
}
"""Keys that every agent column of a table of this kind reads without naming them [V]."""
CONTACT_INPUTS: Final = ("full_name", "profile_url", "company_website")

_REFERENCE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _built_in(key: str, name: str, agent_type: str, prompt: str) -> dict[str, Any]:
    value = {"agent_type": agent_type, "prompt": prompt, "output_format": "text"}
    return {"kind": AGENT, "name": name, "key": key, "value": value}


_INPUT_COLUMN: Final = {"kind": INPUT, "name": "Input", "key": "input"}
BUILT_IN: Final[Mapping[str, tuple[dict[str, Any], ...]]] = {
    "generic": (),
    "company": (
        _INPUT_COLUMN,
        _built_in("company_profile", "Company Profile", "research_pro", "Profile the company {input}."),
        _built_in("company_name", "Company Name", "llm", "Name the company {input}."),
        _built_in("company_website", "Company Website", "llm", "Give the website of {input}."),
    ),
    "people": (
        _INPUT_COLUMN,
        _built_in("full_name", "Full Name", "llm", "Name the person {input}."),
        _built_in("role", "Role", "llm", "Give the role of {input}."),
        _built_in("profile_url", "Profile URL", "llm", "Give the profile of {input}."),
    ),
}
"""Columns that a table of this kind begins with [V]. That they are `agent` columns, and are filled for nothing as soon
as a row has its input, is an assumption."""


def is_built_in(table_kind: str, key: str) -> bool:
    """Say whether `key` is one of the columns that a table of this kind begins with and fills by itself."""
    return key != "input" and any(config["key"] == key for config in BUILT_IN[table_kind])


def price(kind: str) -> int:
    """Return the credits for one cell [V]."""
    return 2 if kind == PEOPLE_FINDER else 1


def references(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that a configuration names: `{key}` in its prompt, `extra_dependencies`, `email_column_key`."""
    value = config.get("value") or {}
    prompt = value.get("prompt")
    named = _REFERENCE.findall(prompt) if isinstance(prompt, str) else []
    extra = value.get("extra_dependencies")
    if isinstance(extra, Sequence) and not isinstance(extra, str):
        named += [key for key in extra if isinstance(key, str)]
    if config["kind"] == REVERSE_EMAIL and isinstance(config.get("email_column_key"), str):
        named.append(config["email_column_key"])
    return tuple(dict.fromkeys(named))


def upstream_keys(config: Mapping[str, Any], table_kind: str, keys: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of the columns that this one waits for, of those that exist, in the order they are named."""
    kind, key = config["kind"], config["key"]
    if kind == INPUT:
        return ()
    wanted = list(references(config))
    if kind in (EMAIL_FINDER, PHONE_FINDER):
        wanted += CONTACT_INPUTS
    elif not is_built_in(table_kind, key):
        wanted += INJECTED[table_kind]
    existing = set(keys) - {key}
    return tuple(dict.fromkeys(each for each in wanted if each in existing))


def cycle(graph: Mapping[str, Sequence[str]]) -> list[str]:
    """Return keys that wait for each other in a circle, or nothing."""
    done: set[str] = set()
    for start in graph:
        path: list[str] = []
        stack = [(start, iter(graph[start]))]
        on_path = {start}
        path.append(start)
        while stack:
            key, following = stack[-1]
            for each in following:
                if each in on_path:
                    return [*path[path.index(each) :], each]
                if each not in done:
                    stack.append((each, iter(graph[each])))
                    on_path.add(each)
                    path.append(each)
                    break
            else:
                stack.pop()
                on_path.discard(key)
                path.pop()
                done.add(key)
    return []


def problems(config: Mapping[str, Any], table_kind: str, keys: Iterable[str]) -> list[tuple[tuple[str, ...], str]]:
    """Return what the API refuses in a configuration, each with where; `keys` are those of the whole table."""
    found: list[tuple[tuple[str, ...], str]] = []
    kind = config["kind"]
    value = config.get("value") or {}
    known = set(keys)
    if kind == PEOPLE_FINDER and table_kind != "company":
        found.append((("kind",), f"company_people_finder is not compatible with a {table_kind} table"))
    if kind in (EMAIL_FINDER, PHONE_FINDER) and table_kind != "people":
        found.append((("kind",), f"{kind} is not compatible with a {table_kind} table"))
    if kind == AGENT:
        found += _agent_problems(value, table_kind)
    if kind == REVERSE_EMAIL and not config.get("email_column_key"):
        found.append((("email_column_key",), "Field required"))
    for key in references(config):
        if key not in known or key == config["key"]:
            found.append((("value",), f"unresolved column reference: {key}"))
    return found


def _agent_problems(value: Mapping[str, Any], table_kind: str) -> list[tuple[tuple[str, ...], str]]:
    found: list[tuple[tuple[str, ...], str]] = []
    agent_type = value.get("agent_type", "research_pro")
    output_format = value.get("output_format", "text")
    if not isinstance(value.get("prompt"), str) or not value["prompt"]:
        found.append((("value", "prompt"), "Field required"))
    if agent_type not in AGENT_TYPES:
        found.append((("value", "agent_type"), f"must be one of {', '.join(AGENT_TYPES)}"))
    elif agent_type == "research_pro" and table_kind == "people":
        found.append((("value", "agent_type"), "research_pro is not allowed on people tables"))
    if output_format not in OUTPUT_FORMATS:
        found.append((("value", "output_format"), f"must be one of {', '.join(OUTPUT_FORMATS)}"))
    elif output_format == "json" and not isinstance(value.get("output_schema"), dict):
        found.append((("value", "output_schema"), "required when output_format is json"))
    return found
