"""Which servers to use: an address in the environment wins, else servers of our own."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gatehouse.dev.devservers.postgres import Databases, PostgresServer
from gatehouse.dev.devservers.valkey import ValkeyServer

DATABASE_URL = "GATEHOUSE_DATABASE_URL"
REDIS_URL = "GATEHOUSE_REDIS_URL"


class ExternalPostgres(Databases):
    """A PostgreSQL named in the environment: not ours to stop."""

    def stop(self) -> None:
        """Leave it running."""


@dataclass(frozen=True, slots=True)
class ExternalValkey:
    """A Valkey or Redis named in the environment: not ours to stop."""

    url: str

    def stop(self) -> None:
        """Leave it running."""


def open_postgres(
    base: Path | None = None, keep: bool = False, port: int | None = None
) -> PostgresServer | ExternalPostgres:
    """The PostgreSQL of `GATEHOUSE_DATABASE_URL`, else one of our own."""
    url = os.environ.get(DATABASE_URL)
    return ExternalPostgres(url) if url else PostgresServer.start(base, keep, port)


def open_valkey(base: Path | None = None, keep: bool = False, port: int | None = None) -> ValkeyServer | ExternalValkey:
    """The Valkey of `GATEHOUSE_REDIS_URL`, else one of our own."""
    url = os.environ.get(REDIS_URL)
    return ExternalValkey(url) if url else ValkeyServer.start(base, keep, port)


@dataclass(frozen=True, slots=True)
class DevServers:
    """Both stores."""

    postgres: PostgresServer | ExternalPostgres
    valkey: ValkeyServer | ExternalValkey

    @classmethod
    def start(cls, base: Path | None = None, keep: bool = False) -> Self:
        """Open both at the same time; when one fails the other is stopped. Raises DevServerError."""
        with ThreadPoolExecutor(2) as threads:
            postgres = threads.submit(open_postgres, base, keep)
            valkey = threads.submit(open_valkey, base, keep)
        for one, other in ((postgres, valkey), (valkey, postgres)):
            if (error := one.exception()) is not None:
                if other.exception() is None:
                    other.result().stop()
                raise error
        return cls(postgres.result(), valkey.result())

    def stop(self) -> None:
        """Stop what is ours."""
        self.valkey.stop()
        self.postgres.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
