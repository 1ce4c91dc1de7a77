"""Which mails say the same (exactly, for the cache) and which look alike (only to suggest)."""

from __future__ import annotations

import math
import re
from hashlib import sha256
from unicodedata import normalize
from zlib import crc32

from ai_triage.own_words import own_words

LONGEST = 4000
BITS = 1 << 14
_FINGERPRINTED = 1000
_SPACE = re.compile(r"\s+")
_NO_LETTERS = re.compile(r"[^a-z]+")
_ASKING = re.compile(
    r"\b(?:qua(?:l|is)|como|quando|onde|para|voces?|gostaria|queria|what|when|where|which|that"
    r"|with|have|would|could|\w{1,3})\b"
)


def body_hash(body: str) -> str:
    """Return the same digest for bodies that differ in quotes, signature, case and spaces only.

    Numbers and accents count: another order number is another mail.
    """
    text = _SPACE.sub(" ", normalize("NFC", own_words(body))).strip().casefold()
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(text: str) -> int:
    """Return the text's character 3-5-grams as set bits, for :func:`overlap`.

    Numbers, words that only ask and all after the first 1,000 characters are left out.
    """
    words = _NO_LETTERS.sub(" ", _ASKING.sub(" ", _folded(text)[:_FINGERPRINTED])).strip()
    grams = f" {words} ".encode() if words else b""
    bits = bytearray(BITS // 8)
    for size in (3, 4, 5):
        for start in range(len(grams) - size + 1):
            bit = crc32(grams[start : start + size]) % BITS
            bits[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(bits, "big")


def overlap(one: int, other: int) -> float:
    """Return how alike two fingerprints are, from 0 to 1: the cosine of their bits."""
    sizes = one.bit_count() * other.bit_count()
    return (one & other).bit_count() / math.sqrt(sizes) if sizes else 0.0


def _folded(text: str) -> str:
    plain = normalize("NFKD", own_words(text)[:LONGEST]).encode("ascii", "ignore").decode()
    return _SPACE.sub(" ", plain.lower())
