"""Numbers as people read them."""

from decimal import Decimal


def amount(value: Decimal | int) -> str:
    """Return a number with thousands separated and no idle zeros: `1,240`, `0.3`."""
    text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: Decimal) -> str:
    """Return a share of 1 as `20 %`, `2.5 %`."""
    return f"{amount((share * 100).quantize(Decimal('0.01')))} %"


def counted(count: int, noun: str) -> str:
    """Return `1 cell`, `1,240 cells`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def json_number(value: Decimal | None) -> int | float | None:
    """Return an exact-looking JSON number: an integer where the value is whole."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def duration(seconds: float) -> str:
    """Return `45 s`, `12 min`, `3 h`, `2 days`: the largest unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"
