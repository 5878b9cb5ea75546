"""Values of finished cells: made up, always the same for a cell and an attempt, in the shape of the column."""

from typing import Any

import msgspec

from reconciler.simulator.world import columns as kinds
from reconciler.simulator.world.chance import draw
from reconciler.simulator.world.table import Column, Table

_MARK = "\x00"
_FIRST = ("Ada", "Grace", "Edsger", "Barbara", "Donald", "Frances", "Alan", "Radia", "Ken", "Margaret")
_LAST = ("Okafor", "Lindqvist", "Moreau", "Tanaka", "Silva", "Novak", "Haddad", "Keller", "Rossi", "Ivanova")
_ROLES = ("VP Sales", "Head of Engineering", "CEO", "Revenue Operations", "Head of Product")
_encode = msgspec.json.encode


def company(slot: int) -> str:
    """Return a made-up company's domain for a row."""
    return f"company-{slot:06d}.example"


def person(number: int) -> dict[str, str]:
    """Return a made-up person: name, role, profile."""
    first, last = _FIRST[number % 10], _LAST[number // 10 % 10]
    return {
        "full_name": f"{first} {last}",
        "role": _ROLES[number // 100 % len(_ROLES)],
        "profile_url": f"https://linkedin.example/in/{first.lower()}-{last.lower()}-{number % 100000}",
    }


def generated_input(table: Table, column: Column, slot: int) -> str:
    """Return the generated value of an input cell."""
    if column.key != "input":
        return f"{column.key} {slot}"
    if table.kind == "people":
        one = person(draw(0, table.id, slot))
        return f"{one['full_name']}, {one['role']}, {one['profile_url']}"
    return company(slot)


def _answer(column: Column, slot: int, attempt: int) -> Any:
    config = column.config.get("value") or {}
    chance = draw(0, column.id, slot, attempt)
    labels = [label for label in config.get("labels") or () if isinstance(label, str)] or ["yes", "no", "mixed"]
    match config.get("output_format", "text"):
        case "number" | "numeric":
            return chance % 10_000
        case "money":
            return {"amount": chance % 1_000 * 100_000, "currency": "USD"}
        case "grade":
            return chance % 5 + 1
        case "select" | "label":
            return labels[chance % len(labels)]
        case "multiselect":
            return sorted({labels[chance % len(labels)], labels[chance // 7 % len(labels)]})
        case "date":
            return f"20{chance % 26:02d}-{chance // 26 % 12 + 1:02d}-{chance // 312 % 28 + 1:02d}"
        case "url":
            return f"https://{company(slot)}/{column.key}/{attempt}"
        case "email":
            return f"{column.key}.{attempt}@{company(slot)}"
        case "phone":
            return f"+1555{chance % 10_000_000:07d}"
        case _:
            schema = config.get("output_schema")
            names = schema.get("properties") if isinstance(schema, dict) else None
            return {name: f"{name} {attempt}" for name in names} if isinstance(names, dict) else {"answer": attempt}


def is_plain(column: Column) -> bool:
    """Return whether generated cells of the column differ only in numbers."""
    text = (column.config.get("value") or {}).get("output_format", "text") == "text"
    return text and column.kind in ("agent", "linkedin", "reverse_email_lookup")


def plain_template(table: Table, column: Column, *, controls: bool) -> bytes:
    """Return a done cell's JSON with placeholders for the attempt and, twice, the row."""
    column.template = column.template or _prepare(table, column, controls)
    return column.template


def _people_answer(column: Column, table: Table, slot: int) -> str:
    if column.kind == "email_finder":
        return f"person-{slot}@{company(slot)}"
    if column.kind == "phone_finder":
        return f"+1555{slot:07d}"
    return str(person(draw(0, table.id, slot)).get(column.key, f"{column.config['name']} {slot}"))


def _prepare(table: Table, column: Column, controls: bool) -> bytes:
    """Return a `%`-template of a plain text cell with two numbers in it: attempt and row."""
    name = column.config["name"].replace("%", "%%").replace(_MARK, "")
    padding = "The sources agree on this point. " * 64
    value = {
        "answer": f"{name} {_MARK} of {'company-' if table.kind == 'company' else 'row '}{_MARK}",
        "explanation": f"Found on the company's own pages.{_MARK}",
        "sources": [f"https://company-{_MARK}.example/about"],
    }
    text = _encode({"status": "done", "value": value})
    wanted = max(0, table.cell_bytes - len(text))
    filler = (padding * (wanted // len(padding) + 1))[:wanted]
    # The vendor's bodies may hold raw control characters inside strings, which strict parsers refuse.
    filler += "\n\t\x0b" if controls else ""
    pieces = text.split(_encode(_MARK)[1:-1])
    return pieces[0] + b"%d" + pieces[1] + b"%06d" + pieces[2] + filler.encode() + pieces[3] + b"%06d" + pieces[4]


def done_cell(table: Table, column: Column, slot: int, *, controls: bool) -> bytes:
    """Return the JSON of a done cell with a generated value."""
    attempt = column.tries[slot]
    if column.is_input:
        return _encode({"status": "done", "value": {"answer": generated_input(table, column, slot)}})
    if is_plain(column):
        return plain_template(table, column, controls=controls) % (attempt, slot, slot)
    answer: Any
    if column.child_table is not None:
        answer = {"num_people": people_found(column, slot), "table_id": column.child_table}
    elif column.kind == kinds.AGENT:
        answer = _answer(column, slot, attempt)
    elif column.kind in (kinds.GRADE, kinds.GRADE_SCORE, kinds.DISCOVERY_SCORES):
        answer = draw(0, column.id, slot, attempt) % 5 + 1
    elif column.kind in kinds.COMPANY_KINDS:
        answer = company(slot) if column.kind == "company_website" else f"{column.config['name']} {slot}"
    else:
        answer = _people_answer(column, table, slot)
    value = {"answer": answer, "explanation": f"Attempt {attempt}.", "sources": [f"https://{company(slot)}/about"]}
    return _encode({"status": "done", "value": value})


def people_found(column: Column, slot: int) -> int:
    """Return how many people a finder's cell finds: from one to its maximum [V]."""
    return draw(0, column.id, slot) % kinds.most_people(column.config) + 1
