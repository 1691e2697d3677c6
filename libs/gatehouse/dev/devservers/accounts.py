"""Who a server runs as, and what that account can reach.

PostgreSQL refuses to run as root, so root hands its servers to an account of their own: a uid and gid that
nobody else on the machine has. An ordinary user's servers run as that user.
"""

import grp
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gatehouse.dev.devservers.errors import DevServerError

# Above Debian's statically allocated and systemd's dynamic ranges, below `nobody` (65534).
_FIRST_UID, _LAST_UID = 64500, 65000


@dataclass(frozen=True, slots=True)
class Account:
    """A numeric user and group."""

    uid: int
    gid: int


def server_account(existing: Path | None = None) -> Account | None:
    """The account servers run as: None for ourselves; for root, `existing` data's owner or a free uid."""
    if os.geteuid() != 0:
        return None
    if existing is not None and existing.exists():
        owner = existing.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    for number in range(_FIRST_UID, _LAST_UID):
        if not _taken(number):
            return Account(number, number)
    raise DevServerError(f"No free user id between {_FIRST_UID} and {_LAST_UID} to run the servers as.")


def named_account(account: Account) -> Account:
    """`account`, or `nobody` if it has no name: initdb, alone of all programs, insists on a name."""
    try:
        pwd.getpwuid(account.uid)
        return account
    except KeyError:
        pass
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise DevServerError(
            f"initdb needs a user with a name, and this machine names neither uid {account.uid} nor 'nobody'."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def _taken(number: int) -> bool:
    try:
        pwd.getpwuid(number)
        return True
    except KeyError:
        pass
    try:
        grp.getgrgid(number)
        return True
    except KeyError:
        return False


def can_enter(folder: Path, account: Account | None) -> bool:
    """Whether `account` may pass through `folder` and all folders above it (by mode; None is ourselves)."""
    if account is None:
        return os.access(folder, os.X_OK)
    resolved = folder.resolve()
    return all(_allows(step, account, 0o1) for step in (resolved, *resolved.parents))


def can_read_tree(tops: tuple[Path, ...], account: Account) -> bool:
    """Whether `account` may enter and read everything under `tops`."""
    return all(
        can_enter(top.parent, account) and all(_allows(path, account, bits) for path, bits in _walk(top))
        for top in tops
    )


def _walk(top: Path) -> Iterator[tuple[Path, int]]:
    if not top.is_dir():
        yield top, 0o4 | (top.stat().st_mode & 0o100 and 0o1)
        return
    for folder, _, files in os.walk(top):
        yield Path(folder), 0o5
        for name in files:
            yield Path(folder, name), 0o4


def _allows(path: Path, account: Account, bits: int) -> bool:
    status = path.stat()
    if status.st_uid == account.uid:
        bits <<= 6
    elif status.st_gid == account.gid:
        bits <<= 3
    return status.st_mode & bits == bits


def give(path: Path, account: Account | None) -> None:
    """Make `account` the owner of `path` and of all below it; nothing to do when we run it ourselves."""
    if account is None:
        return
    try:
        os.lchown(path, account.uid, account.gid)
        if path.is_dir() and not path.is_symlink():
            for folder, folders, files in os.walk(path):
                for name in (*folders, *files):
                    os.lchown(Path(folder, name), account.uid, account.gid)
    except OSError as error:
        raise DevServerError(f"Cannot hand {path} to uid {account.uid}: {error.strerror}.") from error
