"""Short signed tokens for links that need no database to be believed."""

from __future__ import annotations

import hmac
from base64 import b32decode, b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings

MAX_TOKEN_LENGTH = 2048
_SIGNATURE_BYTES = 16
_SHORT_SIGNATURE_BYTES = 10
_MAX_SHORT_LENGTH = 100


def make_token(purpose: str, payload: bytes) -> str:
    """Return ``payload`` signed for ``purpose``, in the alphabet of base64url without padding.

    The payload can be read by anyone; case matters, so a token doesn't survive lower-casing.
    """
    return token_maker(purpose)(payload)


def token_maker(purpose: str) -> Callable[[bytes], str]:
    """Return what makes tokens as ``make_token`` does, for many in a row."""
    key = _key(settings.SECRET_KEY, purpose)

    def make(payload: bytes) -> str:
        return urlsafe_b64encode(payload + _signature(key, payload)).rstrip(b"=").decode()

    return make


def read_token(purpose: str, token: str) -> bytes | None:
    """Return what was signed for ``purpose``, or None for anything not made by ``make_token``."""
    return _verified(purpose, _decode(token), size=_SIGNATURE_BYTES)


def make_short_token(purpose: str, payload: bytes) -> str:
    """Return ``payload`` signed in lower-case base32, for places where letter case gets lost.

    Its signature has 80 bits: who guesses must ask us each time.
    """
    key = _key(settings.SECRET_KEY, purpose)
    signature = _signature(key, payload)[:_SHORT_SIGNATURE_BYTES]
    return b32encode(payload + signature).rstrip(b"=").decode().lower()


def read_short_token(purpose: str, token: str) -> bytes | None:
    """Return what was signed for ``purpose`` by ``make_short_token``, or None; case is ignored."""
    return _verified(purpose, _decode_short(token), size=_SHORT_SIGNATURE_BYTES)


def _verified(purpose: str, signed: bytes | None, *, size: int) -> bytes | None:
    if signed is None or len(signed) < size:
        return None
    payload, signature = signed[:-size], signed[-size:]
    keys = [_key(s, purpose) for s in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    genuine = [hmac.compare_digest(_signature(key, payload)[:size], signature) for key in keys]
    return payload if any(genuine) else None


def _decode_short(token: str) -> bytes | None:
    if len(token) > _MAX_SHORT_LENGTH or not token.isascii():
        return None
    plain = token.upper().encode()
    try:
        signed = b32decode(plain + b"=" * (-len(plain) % 8))
    except ValueError:
        return None
    return signed if b32encode(signed).rstrip(b"=") == plain else None


def _decode(token: str) -> bytes | None:
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        return None
    try:
        signed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    # The decoder skips characters it doesn't know: only the one canonical spelling is ours.
    return signed if urlsafe_b64encode(signed).rstrip(b"=") == token.encode() else None


def _signature(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, payload, "sha256")[:_SIGNATURE_BYTES]


@lru_cache(maxsize=64)
def _key(secret: str | bytes, purpose: str) -> bytes:
    secret_bytes = secret.encode() if isinstance(secret, str) else secret
    return hmac.digest(secret_bytes, b"sendcraft.token:" + purpose.encode(), "sha256")
