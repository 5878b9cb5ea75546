"""Names made up to break out of Markdown, HTML, a terminal or a CI's log."""

import random

PIECES = (
    "<script>alert(1)</script>", "</details>", "<!--", "-->", "<img src=x onerror=y>",
    "<https://evil.example>", "[x](https://evil.example)", "![x](https://evil.example/i.png)",
    "[x]: https://evil.example", "[^1]", "https://evil.example", "www.evil.example", "a@evil.example",
    "@octocat", "@org/team", "#1", "owner/name#1", "::error::x", "::add-mask::x", "##[error]x",
    "##[add-mask]", "\n", "\r\n", "\n\n", "\n::set-output name=x::y", "\n| a |\n|---|\n", "\n```\n",
    "\n# h\n", "`", "``", "```", "`" * 9, "|", "\\|", "\\\\|", "\\", "\\`", "| |", "$`x`$", "$$", "*", "**",
    "_", "~~", "<", ">", "&lt;", "&#60;", "&", "\x00", "\x1b[2J", "\x1b]8;;https://evil.example\x07", "\x07",
    "\x85", "\x9b", "\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\u200b", "\ufeff", "\xad",
    "\u034f", "\u115f", "\u17b4", "\u180b", "\u3164", "\ufe0f", "\uffa0", "\U000e0100",
    "\U000e0041", "\ud800", " ", "  ", "\t", "    ", "- ", "+ ", "1. ", "> ", "---", "===", ":smile:",
    "{{7*7}}", "%0A", "%", ",", ":", "\xe9", "\u540d\u524d", "\u0645", "x", "news", "\u0301",
)  # fmt: skip


def names(count: int, seed: int = 7) -> list[str]:
    """Return `count` names of one to six pieces, always with something to see."""
    chance = random.Random(seed)
    return [
        "".join(chance.choices(PIECES, k=chance.randint(1, 6))) + chance.choice(("x", "`x", "x`", "|x", "x|", " x "))
        for _ in range(count)
    ]
