"""New DKIM keys and the DNS records that publish them."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

RSA_BITS = 2048
_TXT_STRING_BYTES = 255


@dataclass(frozen=True)
class KeyPair:
    """A private key to keep and the TXT record to publish for it."""

    private_pem: str
    public_record: str

    def __repr__(self) -> str:
        """Keep the private key out of logs and tracebacks."""
        return f"KeyPair(public_record={self.public_record!r})"


def generate_rsa() -> KeyPair:
    """Return a new RSA key of 2048 bits, which every receiver can verify."""
    key = generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(_pem(key), _record("rsa", public))


def generate_ed25519() -> KeyPair:
    """Return a new Ed25519 key (RFC 8463), to sign with beside RSA."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return KeyPair(_pem(key), _record("ed25519", public))


def txt_strings(record: str) -> list[str]:
    """Return ``record`` cut into the strings of 255 bytes that a zone file wants."""
    return [
        record[start : start + _TXT_STRING_BYTES]
        for start in range(0, len(record), _TXT_STRING_BYTES)
    ]


def _pem(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _record(kind: str, public: bytes) -> str:
    return f"v=DKIM1; k={kind}; p={b64encode(public).decode()}"
