"""A mail as numbers for the linear model: hashed character n-grams of 2 to 5."""

from __future__ import annotations

import re
from unicodedata import normalize
from zlib import crc32

from ai_triage.own_words import own_words

BUCKETS = 1 << 15
SHORTEST, LONGEST = 2, 5
HEAD, TAIL = 900, 300

_MACHINE = re.compile(
    r"(?:no|do-?not|nao|não)[-_.]?(?:reply|respon)|donotreply|mailer-daemon|postmaster|bounce"
    r"|newsletter|news@|marketing|promo|notif|alert|digest|updates?@|campaign",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]{0,2000}", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}")
_SPACE = re.compile(r"\s+")
_DIGIT = re.compile(r"\d")


def features(*, from_address: str, subject: str, body: str) -> frozenset[int]:
    """Return the buckets that this mail fills, each below ``BUCKETS``."""
    words = own_words(body)
    subject_text, body_text = _fold(subject[:300]), _fold(_shorten(words))
    text = f" {subject_text} | {body_text} ".encode()
    grams = {
        crc32(text[start : start + length]) % BUCKETS
        for length in range(SHORTEST, LONGEST + 1)
        for start in range(len(text) - length + 1)
    }
    grams.update(crc32(flag.encode()) % BUCKETS for flag in _flags(from_address, subject, words))
    return frozenset(grams)


def _shorten(text: str) -> str:
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]} {text[-TAIL:]}"


def _fold(text: str) -> str:
    """Return lower-case ASCII: accents off, links and addresses as one word, every digit 0."""
    text = _ADDRESS.sub(" mailx ", _LINK.sub(" urlx ", text))
    plain = normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _SPACE.sub(" ", _DIGIT.sub("0", plain)).strip()


def _flags(from_address: str, subject: str, words: str) -> list[str]:
    flags = ["\0machine" if _MACHINE.search(from_address) else "\0person"]
    flags.append(f"\0length {min(len(words), 2000).bit_length()}")
    flags.append(f"\0links {min(len(_LINK.findall(words[:5000])), 3)}")
    if "?" in words:
        flags.append("\0asks")
    if subject[:3].lower() == "re:":
        flags.append("\0reply")
    return flags
