"""A mail as numbers for the linear model: its words, pieces of them, and marks of what it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from unicodedata import normalize
from zlib import crc32

from ai_triage.cues import cues
from ai_triage.own_words import own_words

WORDS, PIECES, MARKS = 1 << 16, 1 << 15, 1 << 11
BUCKETS = WORDS + PIECES + MARKS
HEAD, TAIL = 1200, 600
SUBJECT = 300

_MACHINE = re.compile(
    r"^[^@]{0,64}(?:no|do-?not|nao|não)[-_.]?(?:reply|respon)"
    r"|^[^@]{0,64}(?:mailer|daemon|postmaster|bounce|notif|alert|aviso|robo|system|sistema"
    r"|automat|tracking|rastre|receipt|recibo|statement|extrato)|^[^@]{0,64}bot@",
    re.IGNORECASE,
)
_BULK = re.compile(
    r"^[^@]{0,64}(?:newsletter|news|noticias?|boletim|marketing|promo|ofertas?|offers?|deals?"
    r"|digest|updates?|campaign|events?|eventos|community|comunidade|hello|ola|team|equipe|time)@",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"^(?:info|office|geral|contact|contato|contacto|sales|vendas|support|suporte|apoio|service"
    r"|servico|billing|faturas?|cobranca|accounts?|admin|adm|compras|purchasing|procurement"
    r"|reception|comercial|jobs|hr|rh|security|seguranca|invoice|fiscal|financeiro|it|ti|docs"
    r"|bookings|help|ajuda)\W?[^@]{0,12}@",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]{0,2000}", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[a-z0-9]+")
_SENTENCE_END = re.compile(r"[.!?\n]+")
GREETING = re.compile(
    r"^(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|hiya|ol[aá]|oi|bom dia"
    r"|boa (?:tarde|noite)|exm|prezad|car[oa]s?\b|viva|boas|estimad)",
    re.IGNORECASE,
)
_MONEY = re.compile(r"[$€£]|\beuros?\b", re.IGNORECASE)
_CAPITALS = re.compile(r"\b[A-ZÀ-Ü]{3,}\b")
_REFERENCE = re.compile(
    r"(?:order|invoice|po|no\.?|n[.º°]|encomenda|pedido|fatura|nota|ticket|case|processo|ref)"
    r"\W{0,3}\w{0,3}-?\d{3,}|\b[A-Z]{1,3}-?\d{3,}",
    re.IGNORECASE,
)


class Features(NamedTuple):
    """The buckets that a mail fills, each below ``BUCKETS``, by what they stand for."""

    words: frozenset[int]
    pieces: frozenset[int]
    marks: frozenset[int]


def features(*, from_address: str, subject: str, body: str) -> Features:
    """Return the buckets that this mail fills."""
    own = own_words(body)
    text = own if len(own) <= HEAD + TAIL else f"{own[:HEAD]} {own[-TAIL:]}"
    subject = subject[:SUBJECT]
    said, titled = _words(text), _words(subject)
    return Features(
        _hashed(_phrases(said, titled), WORDS, 0),
        frozenset().union(*map(_pieces, {*said, *titled})),
        _hashed(
            [
                *_cue_marks(said, titled),
                *_shape_marks(text, len(said)),
                *_subject_marks(subject, len(titled)),
                *_source_marks(from_address, body, own),
            ],
            MARKS,
            WORDS + PIECES,
        ),
    )


def sender_kind(from_address: str) -> str:
    """Return whose address it looks like: ``machine``, ``bulk``, ``role``, or else ``person``."""
    kinds = {"machine": _MACHINE, "bulk": _BULK, "role": _ROLE}
    found = (kind for kind, pattern in kinds.items() if pattern.search(from_address))
    return next(found, "person")


def _hashed(texts: Iterable[str], size: int, offset: int) -> frozenset[int]:
    return frozenset(crc32(text.encode()) % size + offset for text in texts)


def _words(text: str) -> list[str]:
    """Return lower-case ASCII words: links and addresses are one word each, every number is 0."""
    text = _ADDRESS.sub(" mailx ", _LINK.sub(" urlx ", text))
    plain = normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _WORD.findall(_NUMBER.sub("0", plain))


def _phrases(said: list[str], titled: list[str]) -> set[str]:
    title = [f"s {word}" for word in titled]
    return {
        *said,
        *title,
        *map(" ".join, pairwise(said)),
        *map(" ".join, zip(title, titled[1:], strict=False)),
    }


@lru_cache(maxsize=20_000)
def _pieces(word: str) -> frozenset[int]:
    """Return the buckets of a word's 3 to 5 letters in a row, its ends marked."""
    padded = f" {word[:40]} "
    grams = {
        padded[at : at + length] for length in (3, 4, 5) for at in range(len(padded) - length + 1)
    }
    return _hashed(grams, PIECES, WORDS)


def _cue_marks(said: list[str], titled: list[str]) -> Iterator[str]:
    for cue, count in Counter(cues(said)).items():
        yield f"says {cue}"
        yield from (f"says {cue} {often}" for often in (2, 4) if count >= often)
    yield from {f"titled {cue}" for cue in cues(titled)}


def _shape_marks(text: str, words: int) -> Iterator[str]:
    questions, cries = text.count("?"), text.count("!")
    sentences = sum(bool(part.strip()) for part in _SENTENCE_END.split(text))
    lines = text.count("\n")
    marks = {
        "asks": questions > 0,
        "asks again": questions > 1,
        "asks mostly": questions > 0 and 2 * questions >= sentences,
        "ends asking": text.endswith("?"),
        "cries": cries > 0,
        "cries often": cries > 2,
        "greets": bool(GREETING.match(text)),
        "percent": "%" in text,
        "money": bool(_MONEY.search(text)),
        "shouts": len(_CAPITALS.findall(text)) > 3,
        "refers": bool(_REFERENCE.search(text)),
        "starts small": text[:1].islower(),
        "lists": "\n-" in text or "\n*" in text or (lines > 2 and text.count(": ") > 2),
    }
    yield from (mark for mark, holds in marks.items() if holds)
    yield f"length {min(words, 500).bit_length()}"
    yield f"links {min(len(_LINK.findall(text)), 3)}"


def _subject_marks(subject: str, words: int) -> Iterator[str]:
    start = subject.lower().lstrip()
    marks = {
        "no subject": not start,
        "reply": start.startswith("re:"),
        "forward": start.startswith(("fw:", "fwd:", "enc:", "tr:")),
        "subject asks": "?" in subject,
        "subject shouts": bool(_CAPITALS.search(subject)),
        "subject refers": bool(_REFERENCE.search(subject)),
        "subject percent": "%" in subject,
    }
    yield from (mark for mark, holds in marks.items() if holds)
    yield f"subject length {min(words, 15).bit_length()}"


def _source_marks(from_address: str, body: str, own: str) -> Iterator[str]:
    yield f"from {sender_kind(from_address)}"
    if len(body) > len(own) + 60:
        yield "history"
    if not own:
        yield "empty"
