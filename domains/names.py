"""Domain names as people write them and as the DNS knows them."""

from __future__ import annotations

import re

import idna

from common.errors import Refused

# Zero width joiner and non-joiner: needed in some scripts, and IDNA checks where they stand.
_JOINERS = {"\u200c", "\u200d"}
# A last label that begins with a digit is how addresses are written: 1.2.3.4, 127.1, 0x7f.1
_TOP_LABEL = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")


def normalize_domain(text: str, *, attr: str = "name") -> str:
    """Return the domain name ``text`` in lower case, international letters as A-labels.

    Raises:
        Refused: not a domain name of at least two labels; ``attr`` names the field.
    """
    if any(not (char.isprintable() or char in _JOINERS) for char in text):
        raise Refused("A domain name has no control or invisible characters.", attr=attr)
    name = _a_labels(text, attr=attr).removesuffix(".")
    _, dot, top = name.rpartition(".")
    if not dot:
        raise Refused("A domain name has at least one dot, such as example.com.", attr=attr)
    if not _TOP_LABEL.fullmatch(top):
        raise Refused("An IP address can't stand for a domain name.", attr=attr)
    return name


def _a_labels(text: str, *, attr: str) -> str:
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii").lower()
    except UnicodeError:
        detail = "This is not a domain name; write it like example.com."
        raise Refused(detail, attr=attr) from None


def display_domain(name: str) -> str:
    """Return ``name`` in the letters people read, or as it is where it has none."""
    try:
        return idna.decode(name)
    except UnicodeError:
        return name
