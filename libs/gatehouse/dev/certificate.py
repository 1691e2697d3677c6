"""A certificate for `localhost`, made on the spot, and the authority that a developer may trust.

Kept in `<data>/tls/`: `ca.pem` (trust this), `cert.pem` (leaf and authority), `key.pem` (0600). The authority's key
is thrown away once it has signed the one certificate, and the authority is good for loopback names only, so trusting
it gives nobody a way to read other traffic. Both are made anew before they expire.
"""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gatehouse.dev.plan import Certificates
from gatehouse.faults import CommandFault, ExitCode

_LIFETIME = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=7)
_BACKDATE = timedelta(hours=1)  # for a guest's clock that runs behind its host's
_NAMES = ("localhost",)
_ADDRESSES = ("127.0.0.1", "::1")


def ensure_certificate(data: Path, now: datetime | None = None) -> Certificates:
    """The files of `data`, made when they are missing, damaged or about to expire. Raises CommandFault."""
    now = now or datetime.now(UTC)
    folder = data / "tls"
    files = Certificates(authority=folder / "ca.pem", chain=folder / "cert.pem", key=folder / "key.pem")
    if not _usable(files, now):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(files, now)
        except OSError as error:
            raise CommandFault(
                ExitCode.SETTINGS,
                f"The certificate cannot be written to {folder} ({error.strerror})",
                "make the folder writable, or choose another with --data",
            ) from error
    return files


def _usable(files: Certificates, now: datetime) -> bool:
    try:
        leaf = x509.load_pem_x509_certificate(files.chain.read_bytes())
        authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        leaf.verify_directly_issued_by(authority)
    except Exception:
        return False
    return (
        key.public_key() == leaf.public_key()
        and leaf.not_valid_before_utc <= now
        and now + _RENEW_BEFORE < min(leaf.not_valid_after_utc, authority.not_valid_after_utc)
    )


def _make(files: Certificates, now: datetime) -> None:
    authority_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, now)
    leaf = _leaf(leaf_key, authority, authority_key, now)
    authority_pem = authority.public_bytes(serialization.Encoding.PEM)
    private_pem = leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(files.key, private_pem, 0o600)
    _write(files.chain, leaf.public_bytes(serialization.Encoding.PEM) + authority_pem, 0o644)
    _write(files.authority, authority_pem, 0o644)


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gatehouse development authority")])
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in _NAMES]
    permitted += [x509.IPAddress(ipaddress.ip_network(address)) for address in _ADDRESSES]
    return (
        _builder(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in _NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in _ADDRESSES]
    return (
        _builder(name, authority.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    making = path.with_name(f".{path.name}.new")
    making.unlink(missing_ok=True)
    with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    making.replace(path)
