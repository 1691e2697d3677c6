"""Several Valkeys together: smoke tests of the cluster and of the sentinels."""

from typing import Any

import pytest
import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

from gatehouse.dev.devservers import SentinelSetup, ValkeyCluster
from gatehouse.dev.devservers.processes import wait_until

pytestmark = pytest.mark.stores


def test_a_cluster_holds_keys_on_every_shard_and_a_replica_takes_over() -> None:
    with ValkeyCluster.start() as cluster:
        node: Any = ClusterNode
        nodes = [node(host, port) for host, port in cluster.addresses]
        with RedisCluster(startup_nodes=nodes, decode_responses=True) as client:
            keys = [f"k{number}" for number in range(50)]
            for key in keys:
                client.set(key, key)
                client.wait(1, 1000, target_nodes=client.get_node_from_key(key))
            assert len({client.get_node_from_key(key).port for key in keys}) == 3

        cluster.primaries[0].kill()
        assert not cluster.primaries[0].alive
        wait_until(lambda: _is_primary(cluster.replicas[0].port), 30, lambda: "no replica took over")
        with RedisCluster(startup_nodes=nodes[1:], decode_responses=True) as client:
            assert [client.get(key) for key in keys] == keys


def test_sentinels_name_the_primary_and_replace_it_when_it_is_killed() -> None:
    with SentinelSetup.start() as setup:
        untyped: Any = Sentinel
        sentinel = untyped(setup.addresses, socket_timeout=2)
        assert sentinel.discover_master(setup.service) == ("127.0.0.1", setup.primary.port)
        assert sentinel.discover_slaves(setup.service) == [("127.0.0.1", r.port) for r in setup.replicas]
        assert setup.primary_port() == setup.primary.port

        setup.primary.kill()
        wait_until(lambda: setup.primary_port() == setup.replicas[0].port, 30, lambda: "nobody was promoted")
        wait_until(lambda: _is_primary(setup.replicas[0].port), 30, lambda: "the replica stayed one")


def _is_primary(port: int) -> bool:
    with redis.Redis(port=port) as client:
        role: list[bytes] = client.execute_command("ROLE")
        return role[0] in (b"master", "master")
