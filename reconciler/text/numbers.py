"""Numbers and times, formatted for people and for programs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal


def amount(value: Decimal | int) -> str:
    """Return a number with thousands separators and no trailing zeros: `1,240`, `0.3`."""
    text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: Decimal) -> str:
    """Return a share of 1 as `20 %`, `2.5 %`."""
    return f"{amount((share * 100).quantize(Decimal('0.01')))} %"


def counted(count: int, noun: str, several: str = "") -> str:
    """Return `1 cell`, `1,240 cells`; `several` is a plural that does not end in a mere s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {several or noun + 's'}"


def json_number(value: Decimal | None) -> int | float | None:
    """Return a JSON number: an integer if the value is whole."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def duration(seconds: float) -> str:
    """Return `45 s`, `12 min`, `3 h` or `2 days`: the largest unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def rfc3339(moment: datetime, timespec: str = "seconds") -> str:
    """Return `2026-12-23T06:00:00Z`; `timespec` as in `isoformat`."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def moment_text(moment: datetime) -> str:
    """Return `2026-12-23 06:00 UTC`, rounded up, so that the moment has passed by then."""
    utc = moment.astimezone(UTC)
    whole = utc.replace(second=0, microsecond=0)
    return f"{whole if whole == utc else whole + timedelta(minutes=1):%Y-%m-%d %H:%M} UTC"


def age_text(seconds: float) -> str:
    """Return an age as a `refresh` takes it, in whole days, or below two of them in hours or minutes; at least `1m`."""
    for unit, length in (("d", 86_400), ("h", 3600)):
        if seconds >= 2 * length:
            return f"{min(round(seconds / length), 99_999)}{unit}"
    return f"{max(1, round(seconds / 60))}m"
