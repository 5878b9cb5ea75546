"""`Retry-After`, and dates in headers, whose reading is the work of a parser of e-mail.

Reads load it once an answer asks for a wait. What sends run calls loads it at once, before an upgrade can replace it.
"""

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after_seconds(text: str | None, now: Callable[[], float]) -> float | None:
    """Return the seconds that a `Retry-After` (seconds or an HTTP date) asks to wait; None if it is absent or invalid.

    `now` returns seconds since 1970. A date in the past gives 0.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(seconds_of(text) - now(), 0.0)
    except ValueError:
        return None


def seconds_of(date: str) -> float:
    """Return an HTTP date in seconds since 1970. Raises ValueError if it is not one."""
    try:
        moment = parsedate_to_datetime(date)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (OverflowError, IndexError, TypeError) as error:
        raise ValueError(str(error)) from None
