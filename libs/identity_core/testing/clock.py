"""A clock that stands still until a test moves it."""

import time
from datetime import UTC, datetime, timedelta


class FakeClock:
    """A `Clock` frozen at `start` (aware; default: the time it was made), moved by `advance` and `set`.

    `offset_ms` is the distance to the real time at each reading, so a store that adds it to its own
    time arrives at this clock's.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = (start or datetime.now(UTC)).astimezone(UTC)
        self._monotonic = 1_000.0

    @property
    def offset_ms(self) -> int:
        return self.now_ms() - time.time_ns() // 1_000_000

    def now(self) -> datetime:
        return self._now

    def now_ms(self) -> int:
        # Integer arithmetic: timestamp() is a float and rounds some milliseconds down.
        return (self._now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Lets `seconds` pass on both readings; a negative value is a step back of the time of day only."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += max(seconds, 0.0)

    def set(self, moment: datetime) -> None:
        """Sets the time of day; the monotonic reading stays, as when an administrator corrects a clock."""
        self._now = moment.astimezone(UTC)
