"""What the verbs need of the stores, and the values that pass between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from scim.protocol.errors import ScimError
from scim.protocol.filters import Lookup
from scim.protocol.paging import Page


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever writes here: a source with its own token, or an OAuth client with the scope `scim`.

    `name` is what audit rows and idempotency records know it by: the source's id, or the client's.
    """

    tenant: UUID
    slug: str
    kind: Literal["source", "client", "operator"]
    name: str
    source_id: UUID | None = None

    @property
    def key(self) -> str:
        """Never the same for a source and a client."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Act:
    """A write as such: by whom, when, from where (client address); the key makes the person's name in the audit."""

    caller: Caller
    now: datetime
    tag_key: bytes = field(repr=False)
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as it is kept: what clients wrote under canonical names, without id, meta, schemas and password."""

    id: UUID
    resource: dict[str, Any]
    version: int
    created_at: datetime
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """A resource as it shall be kept; `password_hash` (argon2id) where the request sets a password."""

    resource: dict[str, Any]
    password_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page and the number of all that match. A page may end before its count: see PAGE_BYTES."""

    total: int
    resources: list[Stored]

    def cut(self, page: Page) -> bool:
        """Whether `page` had room for more of what matches."""
        return len(self.resources) < min(page.count, self.total - page.start_index + 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it can be kept and given again."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Once:
    """The idempotency of one request: its key, and the fingerprint of what it asks."""

    key: str
    fingerprint: bytes


Decide = Callable[[Stored], Draft | ScimError]
"""From the resource as it is to the resource as it shall be; pure."""

Permit = Callable[[Stored], ScimError | None]
"""Whether the resource as it is may be deleted; pure."""

Render = Callable[[Stored], Answer]


class ResourceStore(Protocol):
    """One type's resources. Each call is one unit of work, committed (and every end confirmed) when it returns.

    Store faults are raised; refusals are values.
    """

    async def get(self, tenant: UUID, id: UUID) -> Stored | None: ...

    async def page(self, tenant: UUID, lookup: Lookup | None, page: Page) -> Listing: ...

    async def create(self, act: Act, draft: Draft, render: Render, once: Once | None = None) -> Answer | ScimError:
        """The rendered new resource; with `once`, what was answered to the same request before."""
        ...

    async def change(self, act: Act, id: UUID, decide: Decide) -> Stored | ScimError: ...

    async def delete(self, act: Act, id: UUID, permit: Permit) -> ScimError | None: ...


class Records(Protocol):
    """What was answered under idempotency keys."""

    async def recall(self, caller: Caller, once: Once) -> Answer | ScimError | None: ...


class Sources(Protocol):
    """Who holds a source's token."""

    async def caller_of(self, token: str) -> Caller | None: ...
