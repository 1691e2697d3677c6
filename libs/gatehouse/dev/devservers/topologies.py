"""Several Valkeys together: a cluster, and a primary watched by sentinels. Throw-away data only."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import redis

from gatehouse.dev.devservers.errors import DevServerError
from gatehouse.dev.devservers.processes import free_port, wait_until
from gatehouse.dev.devservers.valkey import ValkeyServer

_SLOTS = 16384
# Without it a primary waits five seconds before it sends its data to a new replica.
_PROMPT_REPLICAS = "repl-diskless-sync-delay 0"


class _Several:
    """Servers that are stopped together."""

    def __init__(self, servers: Sequence[ValkeyServer]) -> None:
        self.servers = list(servers)

    def stop(self) -> None:
        """Stop them all."""
        _together([server.stop for server in self.servers])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


class ValkeyCluster(_Several):
    """A Valkey Cluster in which all slots are assigned and every replica is in step."""

    def __init__(self, primaries: Sequence[ValkeyServer], replicas: Sequence[ValkeyServer]) -> None:
        super().__init__([*primaries, *replicas])
        self.primaries = list(primaries)
        self.replicas = list(replicas)

    @classmethod
    def start(cls, shards: int = 3, replicas_per_shard: int = 1, *, node_timeout_ms: int = 1000) -> Self:
        """Start `shards` primaries with their replicas and join them. Raises DevServerError."""
        count = shards * (1 + replicas_per_shard)
        servers = _started([lambda: _cluster_node(node_timeout_ms)] * count)
        cluster = cls(servers[:shards], servers[shards:])
        try:
            cluster._join()
        except BaseException:
            cluster.stop()
            raise
        return cluster

    @property
    def url(self) -> str:
        """The first node's URL: enough for a cluster client, which asks it for the others."""
        return self.servers[0].url

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every node."""
        return [("127.0.0.1", server.port) for server in self.servers]

    def _join(self) -> None:
        first, *others = self.servers
        shards = len(self.primaries)
        for number, primary in enumerate(self.primaries):
            _ask(primary, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            low, high = _SLOTS * number // shards, _SLOTS * (number + 1) // shards - 1
            _ask(primary, "CLUSTER", "ADDSLOTSRANGE", low, high)
        for server in others:
            _ask(server, "CLUSTER", "MEET", "127.0.0.1", first.port, _bus_port(first))
        wait_until(
            lambda: all(_cluster_info(s)["cluster_known_nodes"] == str(len(self.servers)) for s in self.servers),
            30,
            lambda: "The nodes of the Valkey cluster did not all meet.",
        )
        for number, replica in enumerate(self.replicas):
            _ask(replica, "CLUSTER", "REPLICATE", _ask(self.primaries[number % shards], "CLUSTER", "MYID"))
        wait_until(
            lambda: (
                all(_cluster_info(s)["cluster_state"] == "ok" for s in self.servers)
                and all(_in_step(replica) for replica in self.replicas)
            ),
            30,
            lambda: "The Valkey cluster did not become ready.",
        )


class SentinelSetup(_Several):
    """A primary, its replicas and the sentinels that replace it when it fails."""

    service = "gatehouse"

    def __init__(
        self, primary: ValkeyServer, replicas: Sequence[ValkeyServer], sentinels: Sequence[ValkeyServer]
    ) -> None:
        super().__init__([*sentinels, *replicas, primary])
        self.primary = primary
        self.replicas = list(replicas)
        self.sentinels = list(sentinels)

    @classmethod
    def start(cls, replicas: int = 1, sentinels: int = 3, *, down_after_ms: int = 500) -> Self:
        """Start them, with replicas in step and every sentinel knowing the others. Raises DevServerError."""
        primary = ValkeyServer.start(settings=[_PROMPT_REPLICAS])
        setup = cls(primary, [], [])
        try:
            setup._add(replicas, sentinels, down_after_ms)
        except BaseException:
            setup.stop()
            raise
        return setup

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every sentinel."""
        return [("127.0.0.1", server.port) for server in self.sentinels]

    def primary_port(self) -> int:
        """The port of the server that the sentinels now call primary."""
        return int(_ask(self.sentinels[0], "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)[1])

    def _add(self, replicas: int, sentinels: int, down_after_ms: int) -> None:
        follow = [_PROMPT_REPLICAS, f"replicaof 127.0.0.1 {self.primary.port}"]
        watch = [
            f"sentinel monitor {self.service} 127.0.0.1 {self.primary.port} {sentinels // 2 + 1}",
            f"sentinel down-after-milliseconds {self.service} {down_after_ms}",
            f"sentinel failover-timeout {self.service} 3000",
        ]
        self.replicas = _started([lambda: ValkeyServer.start(settings=follow)] * replicas)
        self.servers = [*self.replicas, self.primary]
        wait_until(lambda: all(map(_in_step, self.replicas)), 30, lambda: "The Valkey replicas did not follow.")
        self.sentinels = _started([lambda: ValkeyServer.start(sentinel=True, settings=watch)] * sentinels)
        self.servers = [*self.sentinels, *self.servers]
        wait_until(
            lambda: all(self._knows_all(sentinel) for sentinel in self.sentinels),
            30,
            lambda: "The sentinels did not find each other.",
        )

    def _knows_all(self, sentinel: ValkeyServer) -> bool:
        answer = _ask(sentinel, "SENTINEL", "MASTER", self.service)
        seen = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
        others, replicas = int(seen["num-other-sentinels"]), int(seen["num-slaves"])
        return others == len(self.sentinels) - 1 and replicas == len(self.replicas)


def _cluster_node(node_timeout_ms: int) -> ValkeyServer:
    lines = [
        "cluster-enabled yes",
        "cluster-config-file nodes.conf",
        f"cluster-port {free_port()}",  # the default, port + 10000, may be taken or too high
        f"cluster-node-timeout {node_timeout_ms}",
        _PROMPT_REPLICAS,
    ]
    return ValkeyServer.start(settings=lines)


def _started(starts: Sequence[Callable[[], ValkeyServer]]) -> list[ValkeyServer]:
    """All started at once; if one fails the others are stopped."""
    with ThreadPoolExecutor(max(1, len(starts))) as threads:
        futures = [threads.submit(start) for start in starts]
    failed = [error for future in futures if (error := future.exception()) is not None]
    servers = [future.result() for future in futures if future.exception() is None]
    if failed:
        _together([server.stop for server in servers])
        raise failed[0]
    return servers


def _together(actions: Sequence[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(max(1, len(actions))) as threads:
        for future in [threads.submit(action) for action in actions]:
            future.result()


def _ask(server: ValkeyServer, *words: str | int) -> Any:
    try:
        with server.client() as client:
            return client.execute_command(*words)
    except redis.RedisError as error:
        raise DevServerError(f"Valkey refused {words[0]} {words[1]}: {error}") from error


def _bus_port(server: ValkeyServer) -> int:
    return int(_ask(server, "CONFIG", "GET", "cluster-port")["cluster-port"])


def _cluster_info(server: ValkeyServer) -> dict[str, str]:
    answer = _ask(server, "CLUSTER", "INFO")
    if isinstance(answer, dict):
        return {str(key): str(value) for key, value in answer.items()}
    return dict(line.split(":", 1) for line in str(answer).split("\r\n") if ":" in line)


def _in_step(replica: ValkeyServer) -> bool:
    with replica.client() as client:
        return str(client.info("replication").get("master_link_status")) == "up"
