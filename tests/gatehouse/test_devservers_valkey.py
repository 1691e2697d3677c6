"""The embedded Valkey: what it keeps, loses and brings back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gatehouse.dev.devservers import DevServerError, ValkeyServer, server_version
from gatehouse.dev.devservers.places import throw_away_place

pytestmark = pytest.mark.stores

PrivateValkey = Callable[..., ValkeyServer]


@pytest.fixture
def base() -> Iterator[Path]:
    place = throw_away_place(None, "kept")
    kept = place.base / "kept"
    kept.mkdir(mode=0o755)
    yield kept
    place.close()


def put(server: ValkeyServer, key: str, value: str) -> None:
    with server.client() as client:
        client.set(key, value)


def get(server: ValkeyServer, key: str) -> object:
    with server.client() as client:
        return client.get(key)


def test_a_valkey_is_not_taken_for_the_redis_it_claims_to_be() -> None:
    assert server_version({"redis_version": "7.2.4", "valkey_version": "9.1.2"}) == ("valkey", "9.1.2")
    assert server_version({"redis_version": "7.0.15"}) == ("redis", "7.0.15")


def test_the_version_is_the_servers_own(private_valkey: PrivateValkey) -> None:
    server = private_valkey()
    with server.client() as client:
        assert server_version(client.info("server"))[1] == server.version


def test_it_refuses_to_evict(private_valkey: PrivateValkey) -> None:
    with private_valkey().client() as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_the_append_only_file_is_for_what_is_kept(base: Path) -> None:
    with ValkeyServer.start(base, keep=True) as kept, ValkeyServer.start() as thrown_away:
        with kept.client() as client:
            assert client.config_get("append*") | {
                "appendonly": "yes",
                "appendfsync": "everysec",
            } == client.config_get("append*")
        with thrown_away.client() as client:
            assert client.config_get("appendonly") == {"appendonly": "no"}


def test_kept_data_outlives_the_server(base: Path) -> None:
    with ValkeyServer.start(base, keep=True) as server:
        put(server, "k", "v")
        assert (base / server.place.data.name).is_dir()
    with ValkeyServer.start(base, keep=True) as again:
        assert get(again, "k") == "v"


def test_thrown_away_data_is_gone_after_stop() -> None:
    with ValkeyServer.start() as server:
        put(server, "k", "v")
    assert not server.place.base.exists()
    assert not server.alive


@pytest.mark.parametrize("aof", [False, True])
def test_a_restart_keeps_the_data_and_the_port(private_valkey: PrivateValkey, aof: bool) -> None:
    server = private_valkey(aof=aof)
    url = server.url
    put(server, "k", "v")
    server.restart()
    assert server.url == url
    assert get(server, "k") == "v"


@pytest.mark.parametrize("aof", [False, True])
def test_a_restart_can_lose_everything(private_valkey: PrivateValkey, aof: bool) -> None:
    server = private_valkey(aof=aof)
    put(server, "k", "v")
    server.restart(empty=True)
    assert get(server, "k") is None


def test_a_killed_server_has_what_its_append_only_file_has(private_valkey: PrivateValkey) -> None:
    server = private_valkey(aof=True)
    put(server, "k", "v")
    server.kill()
    assert not server.alive
    server.restart()
    assert get(server, "k") == "v"


def test_a_killed_server_without_file_comes_back_empty_even_after_an_orderly_restart(
    private_valkey: PrivateValkey,
) -> None:
    server = private_valkey()
    put(server, "k", "v")
    server.save_snapshot()
    server.restart()
    server.kill()
    server.restart()
    assert get(server, "k") is None


@pytest.mark.parametrize("aof", [False, True])
def test_it_comes_back_with_the_state_of_a_minute_ago(private_valkey: PrivateValkey, aof: bool) -> None:
    server = private_valkey(aof=aof)
    put(server, "then", "1")
    server.save_snapshot()
    put(server, "since", "1")
    server.restore_snapshot()
    assert get(server, "then") == "1"
    assert get(server, "since") is None
    put(server, "since", "2")
    server.restore_snapshot()
    assert get(server, "since") is None


def test_a_snapshot_must_have_been_taken(private_valkey: PrivateValkey) -> None:
    with pytest.raises(DevServerError, match="snapshot"):
        private_valkey().restore_snapshot()


def test_a_frozen_server_answers_nothing_until_it_is_thawed(private_valkey: PrivateValkey) -> None:
    server = private_valkey()
    put(server, "k", "v")
    server.freeze()
    with (
        redis.Redis.from_url(server.url, socket_timeout=0.3) as client,
        pytest.raises(redis.TimeoutError),
    ):
        client.get("k")
    server.thaw()
    assert get(server, "k") == "v"


def test_the_password_is_asked_for_and_kept_out_of_the_command_line(private_valkey: PrivateValkey) -> None:
    server = private_valkey(password="a-password")
    put(server, "k", "v")
    with redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as client, pytest.raises(redis.AuthenticationError):
        client.get("k")
    assert server._process is not None
    assert b"a-password" not in Path(f"/proc/{server._process.pid}/cmdline").read_bytes()


def test_a_password_that_the_configuration_cannot_hold_is_refused() -> None:
    with pytest.raises(DevServerError, match="password"):
        ValkeyServer.start(password='x"\nsave 1 1')


def test_a_port_in_use_is_named(private_valkey: PrivateValkey) -> None:
    port = private_valkey().port
    with pytest.raises(DevServerError, match=f"port {port} is in use"):
        ValkeyServer.start(port=port)


def test_a_wrong_setting_is_told_in_the_servers_own_words() -> None:
    with pytest.raises(DevServerError, match="did not start"):
        ValkeyServer.start(settings=["no-such-setting yes"])
