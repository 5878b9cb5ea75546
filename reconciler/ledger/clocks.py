"""Two clocks: the store's, which all machines share, and this machine's since it booted, which cannot be set.

A time in the store stands beside the moment at which its machine seemed to have booted by the store's clock. Whoever
reads it on the same boot knows by that how far the store's clock was set in between, and takes it out again: elapsed
time on one boot goes by the boot's clock alone. Across boots and machines it goes by the store's clock.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from reconciler.model.checkpoint import Begun
from reconciler.spending.elapsed import elapsed

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_NAMESPACE = Path("/proc/self/ns/time")


@dataclass(frozen=True, slots=True)
class Boot:
    """One boot of one machine, and its clock."""

    identity: str
    """Equal exactly where `seconds` counts from the same moment."""
    seconds: Callable[[], float]
    """Since the boot; goes on while the machine sleeps, and cannot be set."""


def this_boot() -> Boot | None:
    """Return the boot that this process lives in; None if the system does not say which one it is."""
    try:
        identity = _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    with suppress(OSError):  # a kernel without such containers
        # A container may have a boot's clock of its own, which counts from another moment.
        identity += f" {_TIME_NAMESPACE.readlink()}"
    return Boot(identity, elapsed)


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, by both clocks."""

    now: float
    """Seconds since the epoch by the store's clock."""
    boot: str | None = None
    booted_at: float | None = None
    """When this boot began by the store's clock as it stands now."""

    @classmethod
    def of(cls, now: float, boot: Boot | None) -> "Moment":
        """Return the moment that is `now` by the store's clock."""
        return cls(now) if boot is None else cls(now, boot.identity, now - boot.seconds())

    def values(self) -> dict[str, Any]:
        """Return the columns that stand beside a time, so that it can be translated later."""
        return {"boot": self.boot, "booted_at": self.booted_at}

    def translated(self, at: float, row: Row[Any] | Begun) -> float:
        """Return where a time of `row` stands on the store's clock as it stands now."""
        if self.booted_at is None or row.boot != self.boot or row.booted_at is None:
            return at
        return at + (self.booted_at - float(row.booted_at))

    def since(self, row: Row[Any] | Begun) -> float:
        """Return the seconds since the call's last attempt began; negative if the store's clock was set back since."""
        return self.now - self.translated(row.begun_at, row)
