"""Where the time comes from: the system, or a moment held still."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class SystemClock:
    """``core.ports.Clock``: the operating system's time, in UTC."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FixedClock:
    """``core.ports.Clock`` that always tells the same moment, which must have a time zone."""

    at: datetime

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError(f"got {self.at!r}; a clock's time has a zone")

    def now(self) -> datetime:
        """The moment it was given."""
        return self.at
