"""The certificate of `gatehouse dev --tls`."""

import contextlib
import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gatehouse.dev.certificate import ensure_certificate
from gatehouse.dev.plan import Certificates


def serve_once(files: Certificates) -> int:
    """A TLS server for one connection; answers its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.chain, files.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        # The client's own verdict is the test's.
        with listener, listener.accept()[0] as plain, contextlib.suppress(ssl.SSLError):
            context.wrap_socket(plain, server_side=True).close()

    threading.Thread(target=answer, daemon=True).start()
    return int(listener.getsockname()[1])


def shake_hands(files: Certificates, trust: Path, name: str) -> None:
    context = ssl.create_default_context(cafile=trust)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_connection(("127.0.0.1", serve_once(files))) as plain:
        context.wrap_socket(plain, server_hostname=name).close()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_who_trusts_the_authority_trusts_the_service(tmp_path: Path, name: str) -> None:
    files = ensure_certificate(tmp_path)
    shake_hands(files, files.authority, name)


def test_another_name_is_not_covered(tmp_path: Path) -> None:
    files = ensure_certificate(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(files, files.authority, "example.com")


def test_the_authority_of_another_house_is_not_trusted(tmp_path: Path) -> None:
    ours, theirs = ensure_certificate(tmp_path / "a"), ensure_certificate(tmp_path / "b")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(ours, theirs.authority, "localhost")


def test_a_second_run_keeps_the_certificate(tmp_path: Path) -> None:
    first = ensure_certificate(tmp_path).chain.read_bytes()
    assert ensure_certificate(tmp_path).chain.read_bytes() == first


def test_a_certificate_about_to_expire_is_made_anew(tmp_path: Path) -> None:
    first = ensure_certificate(tmp_path).chain.read_bytes()
    late = datetime.now(UTC) + timedelta(days=360)
    files = ensure_certificate(tmp_path, late)
    assert files.chain.read_bytes() != first
    leaf = x509.load_pem_x509_certificate(files.chain.read_bytes())
    assert leaf.not_valid_after_utc > late + timedelta(days=300)


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, name: str) -> None:
    ensure_certificate(tmp_path)
    (tmp_path / "tls" / name).write_text("damaged")
    files = ensure_certificate(tmp_path)
    shake_hands(files, files.authority, "localhost")


def test_a_key_that_does_not_belong_is_made_anew(tmp_path: Path) -> None:
    files, other = ensure_certificate(tmp_path / "a"), ensure_certificate(tmp_path / "b")
    files.key.write_bytes(other.key.read_bytes())
    renewed = ensure_certificate(tmp_path / "a")
    shake_hands(renewed, renewed.authority, "localhost")


def test_the_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    files = ensure_certificate(tmp_path)
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600


def test_the_authority_is_good_for_loopback_names_only_and_its_key_is_gone(tmp_path: Path) -> None:
    files = ensure_certificate(tmp_path)
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    names = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    assert names is not None
    assert {str(name.value) for name in names} == {"localhost", "127.0.0.1/32", "::1/128"}
    assert sorted(p.name for p in (tmp_path / "tls").iterdir()) == ["ca.pem", "cert.pem", "key.pem"]
