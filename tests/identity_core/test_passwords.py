"""Password hashing and rules (identity_core.passwords)."""

import asyncio
import threading
from collections.abc import AsyncIterator

import argon2
import pytest
import pytest_asyncio

from identity_core import passwords
from identity_core.passwords import Overloaded, PasswordHasher, Verdict, acceptable
from identity_core.testing.spec import spec

WRONG = Verdict(ok=False, needs_rehash=False)
RIGHT = Verdict(ok=True, needs_rehash=False)


@pytest_asyncio.fixture
async def hasher() -> AsyncIterator[PasswordHasher]:
    hasher = PasswordHasher(threads=1, queue_limit=2)
    yield hasher
    hasher.close()


async def test_a_password_is_hashed_with_argon2id_and_only_it_verifies(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("correct horse")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify(stored, "correct horse") == RIGHT
    assert await hasher.verify(stored, "Correct horse") == WRONG
    assert await hasher.verify(stored, "correct horse ") == WRONG
    assert await hasher.verify(stored, "") == WRONG


async def test_an_unknown_user_costs_one_verification_with_current_parameters(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = argon2.PasswordHasher.verify

    def watched(self: argon2.PasswordHasher, stored: str, secret: bytes) -> bool:
        seen.append(stored)
        return real(self, stored, secret)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", watched)
    assert await hasher.verify(None, "anything at all") == WRONG
    assert len(seen) == 1
    parameters = argon2.extract_parameters(seen[0])
    real_ones = argon2.extract_parameters(argon2.PasswordHasher(2, 19456, 1, 32, 16).hash("x"))
    assert parameters == real_ones


async def test_a_stored_value_that_is_no_hash_is_wrong_and_costs_a_verification_too(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = argon2.PasswordHasher.verify

    def watched(self: argon2.PasswordHasher, stored: str, secret: bytes) -> bool:
        seen.append(stored)
        return real(self, stored, secret)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", watched)
    for damaged in ("x", "$argon2id$v=19$m=19456,t=2,p=1$", "$2b$12$abcdefghijklmnopqrstuv"):
        seen.clear()
        assert await hasher.verify(damaged, "anything at all") == WRONG
        assert seen[-1].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_hash_of_older_parameters_verifies_and_asks_for_a_new_one(hasher: PasswordHasher) -> None:
    older = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("correct horse")
    assert await hasher.verify(older, "correct horse") == Verdict(ok=True, needs_rehash=True)
    assert await hasher.verify(older, "wrong horse") == WRONG


@spec("NIST SP 800-63B-4 §3.1.1.2")
async def test_two_spellings_of_one_text_are_one_password(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("caf\u00e9 au lait")
    assert await hasher.verify(stored, "cafe\u0301 au lait") == RIGHT


@spec("NIST SP 800-63B-4 §3.1.1.2")
async def test_a_long_password_is_not_cut(hasher: PasswordHasher) -> None:
    longest = "é" * passwords.MAX_CHARS
    stored = await hasher.hash(longest)
    assert await hasher.verify(stored, longest) == RIGHT
    assert await hasher.verify(stored, longest[:-1]) == WRONG
    assert await hasher.verify(stored, longest + "é") == WRONG


@pytest.mark.parametrize("unfit", ["", "x" * 1025, "x" * 1_000_000, "bad \ud800 text"])
async def test_an_unfit_password_is_not_hashed_and_verifies_nothing(hasher: PasswordHasher, unfit: str) -> None:
    with pytest.raises(ValueError, match="too long or not valid"):
        await hasher.hash(unfit)
    assert await hasher.verify(None, unfit) == WRONG


class _Held:
    """Stands in for the hashing itself, so that a test decides when a thread ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Semaphore(0), threading.Event()
        monkeypatch.setattr(PasswordHasher, "_verify", self._verify)

    def _verify(self, _stored: str, _secret: bytes) -> Verdict:
        self.begun.release()
        self.go.wait()
        return RIGHT

    async def wait_begun(self) -> None:
        await asyncio.to_thread(self.begun.acquire)


async def _until(hasher: PasswordHasher, in_flight: int) -> None:
    while hasher.in_flight != in_flight:  # noqa: ASYNC110 - threads change it, and they signal no event
        await asyncio.sleep(0.001)


async def test_beyond_the_queue_the_caller_is_told_to_come_back(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = _Held(monkeypatch)
    calls = [asyncio.create_task(hasher.verify(None, "password")) for _ in range(3)]  # one thread, two places
    await held.wait_begun()
    await _until(hasher, 3)
    with pytest.raises(Overloaded) as refused:
        await hasher.verify(None, "password")
    assert refused.value.retry_after_s >= 1
    held.go.set()
    assert await asyncio.gather(*calls) == [RIGHT] * 3
    await _until(hasher, 0)
    assert await hasher.verify(None, "password") == RIGHT


async def test_a_caller_who_goes_away_keeps_the_place_until_the_thread_ends(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = _Held(monkeypatch)
    running = asyncio.create_task(hasher.verify(None, "password"))
    await held.wait_begun()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert hasher.in_flight == 1
    held.go.set()
    await _until(hasher, 0)


async def test_work_dropped_before_it_began_gives_its_place_back(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = _Held(monkeypatch)
    running = asyncio.create_task(hasher.verify(None, "password"))
    await held.wait_begun()
    waiting = asyncio.create_task(hasher.verify(None, "password"))
    await _until(hasher, 2)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await _until(hasher, 1)
    held.go.set()
    assert await running == RIGHT
    await _until(hasher, 0)
    assert not held.begun.acquire(blocking=False)


async def test_the_loop_runs_on_while_a_password_is_hashed(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = _Held(monkeypatch)
    call = asyncio.create_task(hasher.verify(None, "password"))
    await held.wait_begun()
    assert not call.done()
    held.go.set()
    assert await call == RIGHT


async def test_a_closed_hasher_takes_no_more_work() -> None:
    hasher = PasswordHasher(threads=1, queue_limit=0)
    hasher.close()
    with pytest.raises(RuntimeError):
        await hasher.hash("correct horse")
    assert hasher.in_flight == 0


@pytest.mark.parametrize(("threads", "queue"), [(0, 1), (1, -1)])
def test_a_hasher_without_threads_or_with_a_negative_queue_is_not_made(threads: int, queue: int) -> None:
    with pytest.raises(ValueError, match="at least one thread"):
        PasswordHasher(threads, queue)


@spec("NIST SP 800-63B-4 §3.1.1.2")
@pytest.mark.parametrize(
    "good",
    [
        "correct horse",
        "zxq vbj kwp",
        "        x",
        "пароль которого нет",
        "密码八个字符或更多",
        "x1" * 512,
        "tr0ub4dor&3",
    ],
)
def test_any_kind_of_characters_may_make_a_password(good: str) -> None:
    assert acceptable(good) is None


@spec("NIST SP 800-63B-4 §3.1.1.2")
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("", "at least 8"),
        ("sevench", "at least 8"),
        ("cafe\u0301 a\u0301", "at least 8"),  # eight code points, seven characters after NFC
        ("x1" * 513, "at most 1024"),
        ("bad \ud800 text", "at most 1024"),
        ("password", "most common"),
        ("PassWord", "most common"),
        ("password123", "most common"),
        ("12345678", "most common"),
        ("qwertyuiop", "most common"),
        ("iloveyou", "most common"),
        ("sunshine1", "most common"),
        ("Contraseña", "most common"),
        ("zzzzzzzzzzzz", "most common"),
    ],
)
def test_a_short_long_or_common_password_is_refused_with_a_sentence(bad: str, said: str) -> None:
    assert said in str(acceptable(bad))


@spec("OWASP ASVS 5.0 6.2.11")
@pytest.mark.parametrize(
    ("password", "refused"),
    [
        ("alice2026!", True),
        ("my-ALICE-pw", True),
        ("gatehouse99", True),
        ("malice in wonder", False),
        ("chalices of gold", False),
        ("to be or not to be", False),
    ],
)
def test_a_context_word_is_refused_as_a_whole_word_only(password: str, refused: bool) -> None:
    words = ("Alice", "Gatehouse", "be", "")
    assert (acceptable(password, context_words=words) is not None) is refused


def test_a_context_word_is_text_and_not_a_pattern() -> None:
    assert acceptable("correct horse", context_words=("c.*t", "[a-z]+", "(")) is None
    assert acceptable("x c.*t horse", context_words=("c.*t",)) is not None


@spec("OWASP ASVS 5.0 6.2.4")
def test_the_packaged_list_holds_thousands_of_passwords_in_the_form_they_are_looked_up() -> None:
    blocked = passwords._blocked()
    assert len(blocked) >= 3_000
    assert all(len(word) >= passwords.MIN_CHARS and word == word.casefold() for word in blocked)
    assert all(acceptable(word) is not None for word in blocked)
