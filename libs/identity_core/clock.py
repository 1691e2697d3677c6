"""Where this process reads the time.

What ends in Redis is judged by Redis's TIME and what ends in PostgreSQL by its `now()`; this clock judges
JWTs and timeouts of the process itself. `offset_ms` is handed to the stores' scripts so that a test may
move their time as well; outside `identity_core.testing` it is always 0.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The time, as three readings and the offset that stores add to their own."""

    @property
    def offset_ms(self) -> int:
        """Milliseconds that stores add to their own time; 0 in production."""
        ...

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start: for leases and timeouts."""
        ...


class SystemClock:
    """The operating system's clock."""

    __slots__ = ()

    @property
    def offset_ms(self) -> int:
        return 0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
