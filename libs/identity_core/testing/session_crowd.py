"""What each process of a crowd does to one user's sessions."""

import asyncio
from uuid import UUID

from identity_core.testing.crowd import wait_for_word
from identity_core.testing.sessions import Login, open_rig


async def create_many(number: int, database_url: str, redis_url: str, user: str, count: str, limit: str) -> list[str]:
    """Open `count` sessions of one user at once under a limit; the ids that were opened."""
    async with open_rig(database_url, redis_url) as rig:
        await rig.wait_fresh()
        await wait_for_word()
        logins = await asyncio.gather(*(rig.sign_in(UUID(user), limit=int(limit)) for _ in range(int(count))))
        return [str(login.session_id) for login in logins]


async def create_while_revoked(number: int, database_url: str, redis_url: str, user: str, count: str) -> list[str]:
    """Process 0 revokes the user; the others open sessions on evidence taken before, and say which still live."""
    async with open_rig(database_url, redis_url) as rig:
        await rig.wait_fresh()
        stamps = await rig.evidence(UUID(user))
        await wait_for_word()
        if number == 0:
            await rig.revoke_user(UUID(user))
            return []
        opened = [await rig.open(UUID(user), stamps) for _ in range(int(count))]
        await rig.wait_checks(2)
        logins = [login for login in opened if isinstance(login, Login)]
        return [str(login.session_id) for login in logins if await rig.verdict(login) is None]
