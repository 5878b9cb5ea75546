"""Elapsed time that goes on while the machine sleeps: a laptop that wakes up must not send what was due before."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
_read_clock = getattr(time, "clock_gettime", None)  # Windows has neither


def elapsed() -> float:
    """Return seconds since an arbitrary moment; never set back, and where the system can tell, never standing still."""
    return time.monotonic() if _read_clock is None else float(_read_clock(_CLOCK))
