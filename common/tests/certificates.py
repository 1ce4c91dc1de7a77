"""Certificates for tests: an authority, and what it or nobody signed for a host."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def server_context(self, folder: Path) -> ssl.SSLContext:
        """Return the context of a server that shows this certificate."""
        path = folder / f"{self.certificate.serial_number}.pem"
        path.write_bytes(
            self.certificate.public_bytes(serialization.Encoding.PEM)
            + self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return the context of a client that trusts this authority and nobody else."""
        pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        context = ssl.create_default_context(cadata=pem)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def authority() -> Identity:
    """Return a new authority."""
    return _issue("Test authority", signer=None, is_authority=True)


def issue(
    host: str,
    *,
    signer: Identity | None,
    start: dt.datetime = NOW - DAY,
    end: dt.datetime = NOW + DAY,
) -> Identity:
    """Return a certificate for ``host``, signed by ``signer`` or by itself."""
    return _issue(host, signer=signer, start=start, end=end)


def _issue(
    name: str,
    *,
    signer: Identity | None,
    start: dt.datetime = NOW - DAY,
    end: dt.datetime = NOW + DAY,
    is_authority: bool = False,
) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name)]), critical=False
        )
    certificate = builder.sign(signer.key if signer else key, hashes.SHA256())
    return Identity(key, certificate)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
