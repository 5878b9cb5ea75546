"""Notices: that an apply or a look for drift ended in a way that someone wants to hear of, and who does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Occasion(StrEnum):
    """An event that webhooks can be told of, the most serious first."""

    IN_DOUBT = "in_doubt"
    """An apply ended with a call that may have been paid for."""
    REFUSED = "refused"
    """An apply was refused before it sent anything, or the API refused one of its calls."""
    BUDGET = "budget"
    """An apply takes a budget past 80 %."""
    DRIFT = "drift"
    """`drift` found a cause that counts."""
    APPLIED = "applied"
    """An apply ended that had something to send."""


class NoticeForm(StrEnum):
    """How a webhook wants its message."""

    SLACK = "slack"
    """`{"text": …}`, as Slack and services compatible with it take it."""
    JSON = "json"
    """`schemas/notification.v1.json`."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An entry of `spec.notify`. Its address is a secret, so only the variable that holds it is known here."""

    variable: str
    on: frozenset[Occasion]
    form: NoticeForm


@dataclass(frozen=True, slots=True)
class Notice:
    """How a command ended, for people elsewhere: counts, addresses and ids, never a cell's value or the API's words."""

    command: str
    """`apply` or `drift`."""
    occasions: tuple[Occasion, ...]
    """The most serious first; empty if there is nothing to tell."""
    exit_code: int
    headline: str
    lines: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Further members of the JSON form."""
