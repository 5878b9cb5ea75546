"""Dates in headers. Reading them is the work of a parser of e-mail, which is loaded once an answer has such a date."""

from datetime import UTC
from email.utils import parsedate_to_datetime


def seconds_of(text: str) -> float:
    """Return a date in seconds since 1970. Raises ValueError if it is not one."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (OverflowError, IndexError, TypeError) as error:
        raise ValueError(str(error)) from None
