"""DKIM signatures (RFC 6376, RFC 8463): headers relaxed, body simple."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]

SIGNED_HEADERS = (
    b"from",
    b"to",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"cc",
    b"mime-version",
    b"content-type",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
)
_WHITESPACE = re.compile(rb"[ \t]{2,}|\t")
_COLUMNS = 72
KEPT_TAGS = 1024


class Signer:
    """One domain's key, loaded once, that signs any number of messages."""

    def __init__(
        self,
        *,
        domain: str,
        selector: str,
        private_key_pem: str,
        algorithm: Algorithm = "rsa-sha256",
    ) -> None:
        """Load the key.

        Raises:
            ValueError: the PEM can't be read or is not a key for ``algorithm``.
        """
        self._key = _load(private_key_pem, algorithm=algorithm)
        self._start = (
            f"DKIM-Signature: v=1; a={algorithm}; c=relaxed/simple; d={domain};\r\n s={selector};"
        ).encode()

    def sign(self, message: bytes) -> bytes:
        """Return ``message``, whose lines end in CRLF, with one more DKIM-Signature on top."""
        head, _, body = message.partition(b"\r\n\r\n")
        headers = _signed_headers(head)
        body_hash = _body_hash(body)
        tags = _tags(self._start, tuple(name for name, _ in headers))
        hashed = [line for _, line in headers]
        hashed.append(tags.relaxed + body_hash + b"; b=")
        signature = _fold_base64(b64encode(self._signature(b"\r\n".join(hashed))))
        return b"".join([tags.written, body_hash, b";\r\n b=", signature, b"\r\n", message])

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(hashlib.sha256(data).digest())
        return self._key.sign(data, PKCS1v15(), SHA256())


def _load(pem: str, *, algorithm: Algorithm) -> RSAPrivateKey | Ed25519PrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if isinstance(key, RSAPrivateKey) and algorithm == "rsa-sha256":
        return key
    if isinstance(key, Ed25519PrivateKey) and algorithm == "ed25519-sha256":
        return key
    raise ValueError(f"the key is not one for {algorithm}")


def _signed_headers(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return name and relaxed line of each header to sign, repeated ones from the last up."""
    found: dict[bytes, list[bytes]] = {}
    for field in _relaxed(head).split(b"\r\n"):
        name, _, value = field.partition(b":")
        found.setdefault(name.strip().lower(), []).append(value.strip(b" "))
    return [
        (name, b"%b:%b" % (name, value))
        for name in SIGNED_HEADERS
        for value in reversed(found.get(name, ()))
    ]


def _relaxed(fields: bytes) -> bytes:
    """Return header fields unfolded, each run of white space as one space (section 3.4.2)."""
    return _WHITESPACE.sub(b" ", fields.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" "))


def _body_hash(body: bytes) -> bytes:
    """Return the hash of the body with its trailing empty lines as one CRLF (section 3.4.3)."""
    digest = hashlib.sha256(body.rstrip(b"\r\n"))
    digest.update(b"\r\n")
    return b64encode(digest.digest())


@dataclass(frozen=True)
class _Tags:
    """A signature's header up to the body's hash, as it is written and as it is hashed."""

    written: bytes
    relaxed: bytes


@lru_cache(maxsize=KEPT_TAGS)
def _tags(start: bytes, names: tuple[bytes, ...]) -> _Tags:
    # One From more than there is: nobody can add a second one and keep the signature.
    lines = [b""]
    for name in (b"from", *names):
        if len(lines[-1]) + len(name) > _COLUMNS:
            lines.append(b"")
        lines[-1] += name + b":"
    listed = b"\r\n  ".join(lines).removesuffix(b":")
    written = start + b"\r\n h=" + listed + b";\r\n bh="
    value = _relaxed(written.partition(b":")[2]).lstrip(b" ")
    return _Tags(written, relaxed=b"dkim-signature:" + value)


def _fold_base64(text: bytes) -> bytes:
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return b"\r\n ".join(lines)
