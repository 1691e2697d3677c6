"""Identifiers: UUID version 7 and their short text form.

UUIDv7 sorts by time, which keeps index inserts at one end of the tree.
"""

import os
import time
from uuid import UUID

from identity_core import base64url

_COUNTER_BITS = 26
_RANDOM_BITS = 74 - _COUNTER_BITS
_MAX_MS = (1 << 48) - 1


# Millisecond and counter of the last id, as one number: the counter of RFC 9562 §6.2 method 1, starting at
# random in each millisecond with its top bit zero, and carrying into the time if it should ever run over.
_last = 0
_last_given = 0


def uuid7(now_ms: int | None = None) -> UUID:
    """A UUID of version 7 (RFC 9562 §5.7).

    Without an argument the ids of one process only ever grow, also when the system clock steps back. (Two
    threads that ask at the same instant may get theirs in either order, never the same one.)
    With `now_ms` (milliseconds since 1970) the id carries that time, and grows while it does not fall.
    Raises ValueError when the time does not fit 48 bits.
    """
    global _last, _last_given  # noqa: PLW0603 - the order within a process is what this state is for
    if now_ms is None:
        position = _last = max(_last + 1, _fresh(time.time_ns() // 1_000_000))
    elif 0 <= now_ms < _MAX_MS:
        again = now_ms == _last_given >> _COUNTER_BITS
        position = _last_given = _last_given + 1 if again else _fresh(now_ms)
    else:
        raise ValueError("The time of a UUIDv7 must be 0 or more and fit 48 bits.")
    ms, counter = position >> _COUNTER_BITS, position & ((1 << _COUNTER_BITS) - 1)
    tail = counter << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8), "big")
    rand_a, rand_b = tail >> 62, tail & ((1 << 62) - 1)
    return UUID(int=ms << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)


def short(value: UUID) -> str:
    """The 16 bytes as 22 characters of unpadded base64url."""
    return base64url.encode(value.bytes)


def from_short(text: str) -> UUID | None:
    """The UUID of a 22-character text made by `short`; None for every other text."""
    if len(text) != 22:
        return None
    raw = base64url.decode(text)
    return None if raw is None else UUID(bytes=raw)


def _fresh(ms: int) -> int:
    return ms << _COUNTER_BITS | int.from_bytes(os.urandom(4), "big") >> (33 - _COUNTER_BITS)
