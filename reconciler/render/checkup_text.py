"""The result of `doctor` as text: each check with how to mend it, the settings, the way to each host."""

from reconciler.model.checkup import Check, Checkup, Finding
from reconciler.render.alignment import table
from reconciler.render.colour import Colour, Paint
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

_GLYPHS = {Finding.OK: "✓", Finding.NOTE: "·", Finding.WRONG: "!"}
_COLOURS = {Finding.OK: Colour.GOOD, Finding.NOTE: Colour.QUIET, Finding.WRONG: Colour.BAD}
_LONGEST = 2000


def checkup_text(found: Checkup, paint: Paint, width: int | None = None) -> str:
    """Return the whole result, in `width` places; the last line says whether anything is wrong."""
    longest = max(len(check.topic) for check in found.checks)
    parts = ["\n".join(_check(check, longest, paint) for check in found.checks)]
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


def _check(check: Check, width: int, paint: Paint) -> str:
    glyph = paint(_GLYPHS[check.finding], _COLOURS[check.finding])
    line = f"{glyph} {check.topic:<{width}}  {_shown(check.message)}"
    return line if not check.hint else f"{line}\n{' ' * (width + 4)}{_shown(check.hint)}"


def _end(found: Checkup) -> str:
    if not found.wrong:
        return "Nothing is wrong."
    topics = ", ".join(dict.fromkeys(check.topic for check in found.wrong))
    count = len(found.wrong)
    return f"{counted(count, 'thing')} {'is' if count == 1 else 'are'} wrong: {topics}. Mend the first one first."


def _shown(text: str) -> str:
    return one_line(text, _LONGEST)
