"""Encryption at rest: AES-256 with HMAC-SHA-256 under a ring of keys, bound to its row.

A stored secret reads ``v1:KEYID:BASE64``. The key id says which entry of ``ENCRYPTION_KEYS``
made it; the identity of the row and field is inside the ciphertext and checked after
decrypting, so that a ciphertext moved to another row does not decrypt.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signing import BadSignature
from django_cryptography.core.signing import FernetSigner
from django_cryptography.utils.crypto import FernetBytes, InvalidToken

from common.errors import SendCraftError

VERSION = "v1"


class SecretUnreadable(SendCraftError):
    """A stored secret can't be decrypted: its key left the ring, or it isn't this row's."""

    code = "secret_unreadable"


@dataclass(frozen=True)
class Key:
    """One entry of the ring; its id is public, derived and 8 hex digits long."""

    id: str
    cipher: FernetBytes


def derive(secret: str, purpose: str) -> bytes:
    return hmac.new(secret.encode(), f"sendcraft:{purpose}".encode(), hashlib.sha256).digest()


@cache
def _key(secret: str) -> Key:
    signer = FernetSigner(derive(secret, "mac"))
    cipher = FernetBytes(derive(secret, "aes"), signer=signer)
    return Key(id=derive(secret, "id").hex()[:8], cipher=cipher)


def ring() -> list[Key]:
    """Return the keys, newest first.

    Raises:
        ImproperlyConfigured: ``ENCRYPTION_KEYS`` is empty.
    """
    if not settings.ENCRYPTION_KEYS:
        raise ImproperlyConfigured("ENCRYPTION_KEYS is empty: nothing can be stored encrypted.")
    return [_key(secret) for secret in settings.ENCRYPTION_KEYS]


def encrypt(plain: str, *, identity: str) -> str:
    """Return ``plain`` encrypted under the newest key and bound to ``identity``."""
    key = ring()[0]
    payload = identity.encode() + b"\0" + plain.encode()
    return f"{VERSION}:{key.id}:{base64.b64encode(key.cipher.encrypt(payload)).decode()}"


def decrypt(stored: str, *, identity: str) -> str:
    """Return what :func:`encrypt` was given.

    Raises:
        SecretUnreadable: with a sentence for the operator; it never holds the secret.
    """
    version, _, rest = stored.partition(":")
    key_id, _, body = rest.partition(":")
    if version != VERSION or not body:
        raise SecretUnreadable("A stored secret has an unknown form.")
    key = next((key for key in ring() if key.id == key_id), None)
    if key is None:
        raise SecretUnreadable(
            f"A stored secret needs the encryption key {key_id}, which ENCRYPTION_KEYS lacks."
        )
    try:
        payload: bytes = key.cipher.decrypt(base64.b64decode(body, validate=True))
    except (BadSignature, InvalidToken, binascii.Error, ValueError) as error:
        raise SecretUnreadable("A stored secret was changed or cut.") from error
    owner, _, plain = payload.partition(b"\0")
    if not hmac.compare_digest(owner, identity.encode()):
        raise SecretUnreadable("A stored secret belongs to another row.")
    return plain.decode()


def needs_rotation(stored: str) -> bool:
    """Tell whether ``stored`` was made with another key than the newest."""
    return bool(stored) and stored.split(":")[1:2] != [ring()[0].id]
