"""Which mails say the same (exactly, for the cache) and which look alike (only to suggest)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
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
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_CANCEL = re.compile(r"\b(?:cancel\w*|anul\w+|rescind\w+|desmarc\w+|terminat\w+|stop\w*|encerr\w+)")
_CHANGE = re.compile(
    r"\b(?:chang\w+|alter\w+|mud(?:ar|o|e|em|anca)\w*|troc\w+|modif\w+|remarc\w+|reschedul\w+"
    r"|updat\w+|atualiz\w+|upgrad\w+|downgrad\w+)"
)


@dataclass(frozen=True)
class Known:
    """An earlier mail that may serve as an example."""

    key: str
    text: str
    email_type: str
    language: str


def body_hash(body: str) -> str:
    """Return the same digest for bodies that differ in quotes, signature, case and spaces only.

    Numbers and accents count: another order number is another mail.
    """
    text = _SPACE.sub(" ", normalize("NFC", own_words(body))).strip().casefold()
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def nearest(
    text: str, known: Iterable[Known], *, email_type: str, language: str, most: int
) -> list[tuple[float, Known]]:
    """Return up to ``most`` mails of the same type and language, the most alike first."""
    ours = _grams(text)
    ranked = [
        (_cosine(ours, _grams(other.text)), other)
        for other in known
        if (other.email_type, other.language) == (email_type, language)
        and may_suggest(text, other.text)
    ]
    return sorted(ranked, key=lambda pair: (-pair[0], pair[1].key))[:most]


def may_suggest(one: str, other: str) -> bool:
    """Tell whether two texts agree in their numbers and in whether they cancel or change."""
    return _marks(one) == _marks(other)


def likeness(one: str, other: str) -> float:
    """Return the cosine of the texts' character 3-5-grams, from 0 to 1."""
    return _cosine(_grams(one), _grams(other))


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
    """Return how alike two fingerprints are, from 0 to 1: the cosine of their bits.

    Some 5 microseconds, where :func:`likeness` takes a thousand times as long.
    """
    sizes = one.bit_count() * other.bit_count()
    return (one & other).bit_count() / math.sqrt(sizes) if sizes else 0.0


def _marks(text: str) -> tuple[tuple[str, ...], bool, bool]:
    folded = _folded(text)
    numbers = tuple(sorted(_NUMBER.findall(folded)))
    return numbers, bool(_CANCEL.search(folded)), bool(_CHANGE.search(folded))


def _folded(text: str) -> str:
    plain = normalize("NFKD", own_words(text)[:LONGEST]).encode("ascii", "ignore").decode()
    return _SPACE.sub(" ", plain.lower())


def _grams(text: str) -> Counter[str]:
    folded = f" {_folded(text)} "
    return Counter(
        folded[start : start + size]
        for size in (3, 4, 5)
        for start in range(len(folded) - size + 1)
    )


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    shared = sum(count * other[gram] for gram, count in one.items() if gram in other)
    lengths = math.sqrt(sum(c * c for c in one.values()) * sum(c * c for c in other.values()))
    return min(shared / lengths, 1.0) if lengths else 0.0
