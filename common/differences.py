"""Two versions of a text side by side in one: what stays, what goes, what comes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

MOST_LINES = 4000
MOST_WORDS = 2000
_PIECES = re.compile(r"\w+|\s+|[^\w\s]")


class Change(StrEnum):
    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True)
class Piece:
    """A part of the text and what became of it."""

    change: Change
    text: str


def differences(old: str, new: str) -> list[Piece]:
    """Return both texts as one; lines that changed are compared word by word."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    if max(len(before), len(after)) > MOST_LINES and old != new:
        return [piece for piece in _replaced(old, new) if piece.text]
    pieces = []
    for was, became in _blocks(before, after, autojunk=True):  # or blank lines take long
        one, other = "".join(was), "".join(became)
        pieces += [Piece(Change.SAME, one)] if one == other else _by_words(one, other)
    return [piece for piece in pieces if piece.text]


def _replaced(one: str, other: str) -> list[Piece]:
    return [Piece(Change.REMOVED, one), Piece(Change.ADDED, other)]


def _by_words(one: str, other: str) -> list[Piece]:
    before, after = _PIECES.findall(one), _PIECES.findall(other)
    if max(len(before), len(after)) > MOST_WORDS:  # comparing takes their product
        return _replaced(one, other)
    pieces = []
    for was, became in _blocks(before, after, autojunk=False):
        if was == became:
            pieces.append(Piece(Change.SAME, "".join(was)))
        else:
            pieces.append(Piece(Change.REMOVED, "".join(was)))
            pieces.append(Piece(Change.ADDED, "".join(became)))
    return pieces


def _blocks(
    before: Sequence[str], after: Sequence[str], *, autojunk: bool
) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    matcher = SequenceMatcher(None, before, after, autojunk=autojunk)
    for _tag, start, end, other_start, other_end in matcher.get_opcodes():
        yield before[start:end], after[other_start:other_end]
