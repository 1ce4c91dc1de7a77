"""Texts that are stored in English and read in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.utils.translation import gettext


def beginnings(texts: Iterable[str]) -> re.Pattern[str]:
    """Return what finds one of ``texts`` before a full stop, a colon or a number."""
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile(rf"({'|'.join(map(re.escape, longest_first))})(?=[.:]| \(?\d)")


def translated(text: str, *, known: re.Pattern[str]) -> str:
    """Return ``text`` with its known beginning as one reads it, and known sentences behind it."""
    found = known.match(text)
    if found is None:
        return text
    rest = text[found.end() :]
    more = f". {translated(rest[2:], known=known)}" if rest.startswith(". ") else rest
    return gettext(found[1]) + more
