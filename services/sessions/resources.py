"""Everything a request may use, built once in `app.py`; every handler takes it from `request.app.state.resources`."""

from dataclasses import dataclass, field
from typing import cast

from starlette.requests import Request

from identity_core.bearer import BearerVerifier
from identity_core.db import Pool
from identity_core.session_store import Follower, Revoker, SessionStore
from sessions.ports import Live, Reads, Writes
from sessions.settings import SessionsSettings


@dataclass(frozen=True)
class Resources:
    """The adapters of one process. Nothing in it is made per request."""

    settings: SessionsSettings
    pool: Pool
    follower: Follower
    store: SessionStore
    revoker: Revoker
    bearer: BearerVerifier
    reads: Reads
    writes: Writes
    live: Live
    cursor_key: bytes = field(repr=False)


def resources_of(request: Request) -> Resources:
    """The resources of the application that serves `request`."""
    return cast(Resources, request.app.state.resources)
