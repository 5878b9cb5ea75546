"""Kinds of columns: their dependencies and prices, the built-in ones of a table, and invalid configurations."""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

INPUT: Final = "input"
AGENT: Final = "agent"
PEOPLE_FINDER: Final = "company_people_finder"
EMAIL_FINDER: Final = "email_finder"
PHONE_FINDER: Final = "phone_finder"
REVERSE_EMAIL: Final = "reverse_email_lookup"
GRADE: Final = "criterion_grade"
GRADE_SCORE: Final = "criteria_grade_score"
DISCOVERY_SCORES: Final = "discovery_scores"
COMPANY_KINDS: Final = ("company_profile", "company_name", "company_website")
"""The documented kinds of the built-in company columns [D]; that the words are the columns' keys is an assumption."""

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
"""Keys that every research column of a table of this kind reads without naming them [V]."""
CONTACT_INPUTS: Final = ("full_name", "profile_url", "company_website")
"""Keys that a contact finder reads [V]; `company_website` may also come from the parent row."""
PEOPLE_BY_DEFAULT: Final = 3
"""The most people that a finder finds without a `max_results`."""
LARGEST_MAX_RESULTS: Final = 1_000_000
"""A finder with a larger `max_results` is refused [A]."""
PEOPLE_AT_MOST: Final = 1_000
"""The most people that one cell finds, whatever its finder's maximum: other requests wait while they are made up."""

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
"""Columns that a table of this kind starts with [V]. That they are `agent` columns (`brought` has the other reading),
and are filled at no cost as soon as a row has its input, is an assumption."""


def brought(table_kind: str, *, own_kinds: bool = False) -> list[dict[str, Any]]:
    """Return the columns that a table of this kind starts with; `own_kinds` selects one of the two readings."""
    configs = [copy.deepcopy(config) for config in BUILT_IN[table_kind]]
    return [
        {"kind": config["key"], "name": config["name"], "key": config["key"]}
        if own_kinds and config["key"] in COMPANY_KINDS
        else config
        for config in configs
    ]


def is_built_in(table_kind: str, config: Mapping[str, Any]) -> bool:
    """Return whether the table fills a column by itself: one that it started with, or one of a built-in kind."""
    if config["kind"] in COMPANY_KINDS:
        return True
    return config["kind"] != INPUT and any(each["key"] == config["key"] for each in BUILT_IN[table_kind])


def price(kind: str) -> int:
    """Return the credits for one cell [V]."""
    return 2 if kind == PEOPLE_FINDER else 1


def most_people(config: Mapping[str, Any]) -> int:
    """Return the most people that one cell of a finder finds: its `max_results` [V], or `PEOPLE_AT_MOST`."""
    most = (config.get("value") or {}).get("max_results")
    return min(most, PEOPLE_AT_MOST) if type(most) is int and most > 0 else PEOPLE_BY_DEFAULT


def asks_for_too_many(config: Mapping[str, Any]) -> bool:
    """Return whether a finder's `max_results` is larger than allowed."""
    most = (config.get("value") or {}).get("max_results")
    return config["kind"] == PEOPLE_FINDER and type(most) is int and most > LARGEST_MAX_RESULTS


TOO_MANY: Final = f"Input should be less than or equal to {LARGEST_MAX_RESULTS}"


def weighted(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration's `column_weights`: the columns' keys are the keys of this mapping [V]."""
    # Whether they are in `value` or next to it is not documented, so both are read.
    for location in (config.get("value") or {}, config):
        weights = location.get("column_weights")
        if isinstance(weights, Mapping):
            return weights
    return {}


def references(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that a configuration names: `{key}` in a prompt or a criterion, `extra_dependencies`, weights,
    `email_column_key`."""
    value = config.get("value") or {}
    named: list[str] = []
    for text in (value.get("prompt"), value.get("criterion")):
        named += _REFERENCE.findall(text) if isinstance(text, str) else []
    extra = value.get("extra_dependencies")
    if isinstance(extra, Sequence) and not isinstance(extra, str):
        named += [key for key in extra if isinstance(key, str)]
    named += weighted(config)
    if isinstance(config.get("email_column_key"), str):
        named.append(config["email_column_key"])
    return tuple(dict.fromkeys(named))


def upstream_keys(config: Mapping[str, Any], table_kind: str, keys: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of the existing columns that this one waits for, in the order they are named.

    `config` is a column's configuration as the API shows it, `keys` those of the whole table. Columns that it names
    come first, then those that its kind or the table's kind implies [V].
    """
    kind = config["kind"]
    if kind == INPUT:
        return ()
    wanted = list(references(config))
    if kind in (EMAIL_FINDER, PHONE_FINDER):
        wanted += CONTACT_INPUTS
    elif not is_built_in(table_kind, config):
        wanted += INJECTED[table_kind]
    elif kind in COMPANY_KINDS:
        wanted.append("input")
    existing = set(keys) - {config["key"]}
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
    """Return the problems for which the API refuses a configuration, with their places; `keys` are all the table's."""
    found: list[tuple[tuple[str, ...], str]] = []
    kind = config["kind"]
    value = config.get("value") or {}
    known = set(keys)
    if table_kind != _ONLY_ON.get(kind, table_kind):
        found.append((("kind",), f"{kind} is not compatible with a {table_kind} table"))
    if kind == AGENT:
        found += _agent_problems(value, table_kind)
    if kind == GRADE and not (isinstance(value.get("criterion"), str) and value["criterion"]):
        found.append((("value", "criterion"), "Field required"))
    if kind == GRADE_SCORE and not weighted(config):
        found.append((("column_weights",), "Field required"))
    if any(type(weight) not in (int, float) for weight in weighted(config).values()):
        found.append((("column_weights",), "Input should be a valid number"))
    if kind == PEOPLE_FINDER and "max_results" in value:
        found += _finder_problems(config, value["max_results"])
    if kind == REVERSE_EMAIL and not config.get("email_column_key"):
        found.append((("email_column_key",), "Field required"))
    for key in references(config):
        if key not in known or key == config["key"]:
            found.append((("value",), f"unresolved column reference: {key}"))
    return found


_ONLY_ON: Final = {
    PEOPLE_FINDER: "company",
    EMAIL_FINDER: "people",
    PHONE_FINDER: "people",
    **dict.fromkeys(COMPANY_KINDS, "company"),
}
"""Kinds of columns that only one kind of table allows [V]."""


def _finder_problems(config: Mapping[str, Any], most: object) -> list[tuple[tuple[str, ...], str]]:
    at = ("value", "max_results")
    if type(most) is not int or most < 1:
        return [(at, "Input should be a positive integer")]
    return [(at, TOO_MANY)] if asks_for_too_many(config) else []


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
