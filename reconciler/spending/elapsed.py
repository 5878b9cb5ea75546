"""Elapsed time that includes sleep: a laptop that wakes up must not send a call whose time has passed."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
_read_clock = getattr(time, "clock_gettime", None)  # Windows has neither


def elapsed() -> float:
    """Return seconds since an arbitrary moment; never goes back, and includes sleep if the system can tell."""
    return time.monotonic() if _read_clock is None else float(_read_clock(_CLOCK))
