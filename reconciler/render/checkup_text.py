"""The result of `doctor` as text: each check with how to mend it, the settings, the way to each host."""

from reconciler.model.checkup import Check, Checkup, Finding
from reconciler.render.alignment import table, width_of, wrapped
from reconciler.render.colour import Colour, Paint
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

_GLYPHS = {Finding.OK: "✓", Finding.NOTE: "·", Finding.WRONG: "!"}
_COLOURS = {Finding.OK: Colour.GOOD, Finding.NOTE: Colour.QUIET, Finding.WRONG: Colour.BAD}
_LONGEST = 2000


def checkup_text(found: Checkup, paint: Paint, width: int | None = None) -> str:
    """Return the whole result, in `width` places; the last line says whether anything is wrong."""
    longest = max(len(check.topic) for check in found.checks)
    parts = ["\n".join(_check(check, longest + 4, paint, width) for check in found.checks)]
    if found.settings:
        rows = [(each.name, _shown(each.value), _shown(each.source)) for each in found.settings]
        parts.append("\n".join(table([("SETTING", "VALUE", "FROM"), *rows], width=width)))
    if found.routes:
        routes = [
            (_shown(each.host), _shown(each.proxy or "none"), _shown(each.certificates or "no TLS"))
            for each in found.routes
        ]
        parts.append("\n".join(table([("HOST", "PROXY", "TRUSTED CERTIFICATES"), *routes], width=width)))
    parts.append(_end(found))
    return "\n\n".join(parts)


def _check(check: Check, indent: int, paint: Paint, width: int | None) -> str:
    """Return a check's message beside its topic and its hint below, or both below it if a word is too long."""
    glyph = paint(_GLYPHS[check.finding], _COLOURS[check.finding])
    texts = [_shown(text) for text in (check.message, check.hint) if text]
    room = None if width is None else width - indent
    if room is not None and max(map(width_of, " ".join(texts).split())) > room:
        return "\n".join([f"{glyph} {check.topic}", *(f"    {text}" for text in texts)])
    inner = "\n".join(wrapped(text, room) for text in texts).replace("\n", "\n" + " " * indent)
    return f"{glyph} {check.topic:<{indent - 4}}  {inner}"


def _end(found: Checkup) -> str:
    if not found.wrong:
        return "Nothing is wrong."
    topics = ", ".join(dict.fromkeys(check.topic for check in found.wrong))
    count = len(found.wrong)
    if count == 1:
        return f"1 thing is wrong: {topics}."
    return f"{counted(count, 'thing')} are wrong: {topics}. Mend the first one first."


def _shown(text: str) -> str:
    return one_line(text, _LONGEST)
