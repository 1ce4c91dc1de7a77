"""DKIM signatures (RFC 6376, RFC 8463): headers relaxed, body simple."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
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
_HEADER_START = re.compile(rb"\r\n(?![ \t])")
_WHITESPACE = re.compile(rb"[ \t]+")
_COLUMNS = 72


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
        names = [name for name, _ in headers]
        # One From more than there is: nobody can add a second one and keep the signature.
        listed = b":".join([b"from", *names])
        unsigned = self._start + _fold_tags(listed, _body_hash(body))
        hashed = [line for _, line in headers]
        hashed.append(b"dkim-signature:" + _relaxed(unsigned.partition(b":")[2]))
        signature = b64encode(self._signature(b"\r\n".join(hashed)))
        return unsigned + _fold_base64(signature) + b"\r\n" + message

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
    for field in _HEADER_START.split(head):
        name, _, value = field.partition(b":")
        found.setdefault(name.strip().lower(), []).append(value)
    return [
        (name, name + b":" + _relaxed(value))
        for name in SIGNED_HEADERS
        for value in reversed(found.get(name, []))
    ]


def _relaxed(value: bytes) -> bytes:
    """Return a header's value unfolded, its runs of white space as one space (section 3.4.2)."""
    return _WHITESPACE.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _body_hash(body: bytes) -> bytes:
    """Return the hash of the body with its trailing empty lines as one CRLF (section 3.4.3)."""
    digest = hashlib.sha256(body.rstrip(b"\r\n"))
    digest.update(b"\r\n")
    return b64encode(digest.digest())


def _fold_tags(listed: bytes, body_hash: bytes) -> bytes:
    lines = [b""]
    for name in listed.split(b":"):
        if len(lines[-1]) + len(name) > _COLUMNS:
            lines.append(b"")
        lines[-1] += name + b":"
    names = b"\r\n  ".join(lines).removesuffix(b":")
    return b"\r\n h=" + names + b";\r\n bh=" + body_hash + b";\r\n b="


def _fold_base64(text: bytes) -> bytes:
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return b"\r\n ".join(lines)
