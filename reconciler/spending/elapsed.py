"""Elapsed time that goes on while the machine sleeps: a laptop that wakes up must not send what was due before."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC) if hasattr(time, "CLOCK_MONOTONIC") else None


def elapsed() -> float:
    """Return seconds since an arbitrary moment; never set back, and where the system can tell, never standing still."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
