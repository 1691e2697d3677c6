"""Passwords: argon2id in a bounded executor, and the rules for a new password.

Hashing costs about 18 ms of processor time and 19 MiB; inline it would stall the event loop, and without a
bound a flood of logins would take the whole process with it. So there are as many threads as the settings
grant, a queue of limited length, and beyond it `Overloaded` (503 with Retry-After).
"""

import asyncio
import math
import os
import re
import threading
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypeVar

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError

TIME_COST = 2
MEMORY_KIB = 19 * 1024
PARALLELISM = 1
MIN_CHARS = 8
MAX_CHARS = 1024

_HASH_BYTES, _SALT_BYTES = 32, 16
_SECONDS_PER_HASH = 0.02
_MIN_CONTEXT_CHARS = 3
# A letter, of any script: what makes a context word part of a longer word.
_LETTER = r"[^\W\d_]"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the password is right, and whether its hash should be replaced (older parameters)."""

    ok: bool
    needs_rehash: bool


class Overloaded(Exception):
    """All threads are busy and the queue is full; try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("Password hashing is at its limit.")
        self.retry_after_s = retry_after_s


class PasswordHasher:
    """argon2id with t=2, m=19 MiB, p=1 in `threads` threads, with at most `queue_limit` calls waiting."""

    def __init__(self, threads: int, queue_limit: int) -> None:
        if threads < 1 or queue_limit < 0:
            raise ValueError("Password hashing needs at least one thread and a queue of 0 or more.")
        self._argon2 = argon2.PasswordHasher(
            time_cost=TIME_COST,
            memory_cost=MEMORY_KIB,
            parallelism=PARALLELISM,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
        )
        self._nobody = _hash_of_nothing()
        self._threads = threads
        self._capacity = threads + queue_limit
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._lock = threading.Lock()
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Calls running or waiting, including those whose caller went away."""
        return self._in_flight

    async def verify(self, hash: str | None, password: str) -> Verdict:
        """Whether `password` belongs to `hash`.

        None (there is no such user) costs the same as a wrong password. A password over 1024 characters
        or not encodable as UTF-8 is wrong. Raises Overloaded.
        """
        secret = _normalised(password)
        if secret is None:
            return Verdict(ok=False, needs_rehash=False)
        return await self._run(lambda: self._verify(hash or self._nobody, secret))

    async def hash(self, password: str) -> str:
        """The PHC string to store. Raises ValueError for an empty or too long password, and Overloaded."""
        secret = _normalised(password)
        if not secret:
            raise ValueError("The password is empty, too long or not valid text.")
        return await self._run(lambda: self._argon2.hash(secret))

    def close(self) -> None:
        """Ends the threads after their present work; calls still waiting are cancelled."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored: str, secret: bytes) -> Verdict:
        try:
            self._argon2.verify(stored, secret)
        except InvalidHashError:
            # A stored value that is no argon2 hash must not answer faster than a wrong password.
            self._verify(self._nobody, secret)
            return Verdict(ok=False, needs_rehash=False)
        except Argon2Error:
            return Verdict(ok=False, needs_rehash=False)
        return Verdict(ok=True, needs_rehash=self._argon2.check_needs_rehash(stored))

    async def _run(self, work: Callable[[], T]) -> T:
        with self._lock:
            if self._in_flight >= self._capacity:
                waiting = self._in_flight * _SECONDS_PER_HASH / self._threads
                raise Overloaded(retry_after_s=max(1, math.ceil(waiting)))
            self._in_flight += 1
        try:
            future = self._executor.submit(work)
        except BaseException:
            self._release()
            raise
        # The place is given back when the thread ends (or the work is dropped before it began), not when
        # the caller goes away: a client that hangs up does not stop the hashing it caused.
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def _release(self, _future: Future[T] | None = None) -> None:
        with self._lock:
            self._in_flight -= 1


def acceptable(password: str, *, context_words: Iterable[str] = ()) -> str | None:
    """None if `password` may be chosen, else a sentence for the person (NIST SP 800-63B-4 §3.1.1.2).

    8 to 1024 characters after NFC, not among the commonest passwords, and not holding a context word (such
    as the user name or the product's) as a whole word, in any case. No rule about kinds of characters.
    """
    secret = _normalised(password)
    if secret is None:
        return f"Use at most {MAX_CHARS} characters of valid text."
    chosen = secret.decode().casefold()
    if len(secret.decode()) < MIN_CHARS:
        return f"Use at least {MIN_CHARS} characters."
    if chosen in _blocked() or len(set(chosen)) == 1:
        return "This password is among the most common ones. Choose another."
    for word in context_words:
        context = unicodedata.normalize("NFC", word).strip().casefold()
        if len(context) < _MIN_CONTEXT_CHARS:
            continue
        if re.search(rf"(?<!{_LETTER}){re.escape(context)}(?!{_LETTER})", chosen):
            return "Choose a password that does not contain your name or the name of this service."
    return None


def _normalised(password: str) -> bytes | None:
    """The password as it is hashed: NFC, UTF-8, whole; None when it is too long or not valid Unicode."""
    # Composing may shorten a text, but not below a quarter of it: the rest need not be looked at.
    if len(password) > 4 * MAX_CHARS:
        return None
    composed = unicodedata.normalize("NFC", password)
    if len(composed) > MAX_CHARS:
        return None
    try:
        return composed.encode("utf-8")
    except UnicodeEncodeError:
        return None


def _hash_of_nothing() -> str:
    """A hash with the current parameters that no password has: random bytes where the result would be."""
    salt, result = (b64encode(os.urandom(size)).rstrip(b"=").decode("ascii") for size in (_SALT_BYTES, _HASH_BYTES))
    return f"$argon2id$v=19$m={MEMORY_KIB},t={TIME_COST},p={PARALLELISM}${salt}${result}"


@cache
def _blocked() -> frozenset[str]:
    text = resources.files("identity_core").joinpath("blocked_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
