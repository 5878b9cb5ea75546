"""Notice → the body of a POST: `schemas/notification.v1.json`, or a text as Slack takes it."""

from typing import Any

from reconciler.model.attempt import Actor
from reconciler.model.notice import Notice

FORMAT_VERSION = "1.0"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "\uff20"}
"""Slack's control characters; and the sign before a name that compatible services notify everyone by."""


def notice_document(notice: Notice, project: str, actor: Actor, sent_at: str, identity: str) -> dict[str, Any]:
    """Return a notice as JSON; `sent_at` is RFC 3339, `identity` the same in every try."""
    return {
        "format_version": FORMAT_VERSION,
        "id": identity,
        "sent_at": sent_at,
        "events": [occasion.value for occasion in notice.occasions],
        "project": project,
        "command": notice.command,
        "exit_code": notice.exit_code,
        "text": "\n".join([notice.headline, *notice.lines]),
        "actor": {"name": actor.name, "ci_run": actor.ci_run},
        **notice.facts,
    }


def slack_document(notice: Notice, project: str, actor: Actor) -> dict[str, Any]:
    """Return a notice as a plain text: names in it neither mention anyone nor become links."""
    by = f"by {actor.name}" + (f", {actor.ci_run}" if actor.ci_run else "")
    lines = [
        f"{project}: {notice.headline}",
        *(f"• {line}" for line in notice.lines),
        f"Exit code {notice.exit_code}, {by}",
    ]
    text = "\n".join(lines)
    return {"text": "".join(_ESCAPES.get(character, character) for character in text), "mrkdwn": False}
