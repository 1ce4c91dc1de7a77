"""The words of one SPF record (RFC 7208): reading them and proposing better ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Network = IPv4Network | IPv6Network

_MECHANISM = re.compile(r"([-+~?]?)([a-z0-9]+)(?::(\S+?))?(?:/(\d{1,3}))?(?://(\d{1,3}))?", re.I)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(\S*)", re.I)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.I)
_MACRO = re.compile(r"(%\{[slodiphcrtv]\d*r?[-.+,/_=]*\}|%[%_-]|[!-$&-~])+", re.I)
_TAKES_PREFIX = {"a", "mx", "ip4", "ip6"}
_NEEDS_VALUE = {"include", "exists", "ip4", "ip6"}
_MECHANISMS = _TAKES_PREFIX | _NEEDS_VALUE | {"all", "ptr"}


class SpfSyntaxError(Exception):
    """A term that SPF does not know; its text is the argument."""


@dataclass(frozen=True)
class Term:
    """A mechanism, or a modifier (its ``qualifier`` is empty); ``value`` may be empty.

    ``network`` is what ``ip4`` and ``ip6`` name; the prefixes belong to ``a`` and ``mx``.
    """

    name: str
    qualifier: str = ""
    value: str = ""
    prefix4: int = 32
    prefix6: int = 128
    network: Network | None = None

    @property
    def has_macro(self) -> bool:
        return "%" in self.value


def is_spf(text: str) -> bool:
    """Whether receivers take ``text`` for an SPF record, a right or a wrong one."""
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def parse_spf(text: str) -> tuple[Term, ...]:
    """Return the terms of the SPF record ``text`` that count, a ``redirect`` last.

    Raises:
        SpfSyntaxError: receivers would give the record up (permerror).
    """
    terms = [_term(word) for word in text.split()[1:]]
    names = [term.name for term in terms]
    for once in ("redirect", "exp"):
        if names.count(once) > 1:
            raise SpfSyntaxError(f"{once}=")
    if "all" in names:
        return tuple(term for term in terms[: names.index("all") + 1] if term.qualifier)
    redirects = [term for term in terms if term.name == "redirect"]
    return (*(term for term in terms if term.qualifier), *redirects)


def propose(texts: Sequence[str], *, mechanisms: Sequence[str]) -> str:
    """Return one record with all that is right in ``texts`` and the further ``mechanisms``.

    Of several ends the milder one stays; name servers give ``texts`` in any order.
    """
    words = [word for text in sorted(texts) for word in text.split()[1:] if _is_valid(word)]
    ends = [word for word in words if word.lower() in {"-all", "~all"}]
    redirects = [word for word in words if word.lower().startswith("redirect=")]
    kept = [word for word in words if not _ends(word)]
    if len(texts) > 1:
        # A joined record can't redirect twice, nor redirect and end.
        kept += [f"include:{word.partition('=')[2]}" for word in redirects]
    if len(texts) > 1 or ends:
        redirects = []
    end = redirects[0] if redirects else max(ends, default="~all", key=str.lower)
    body = list(dict.fromkeys([*kept, *mechanisms])) or ([] if redirects else ["mx"])
    return " ".join(["v=spf1", *body, end])


def _ends(word: str) -> bool:
    return word.lower().lstrip("+-~?") == "all" or word.lower().startswith("redirect=")


def _is_valid(word: str) -> bool:
    try:
        return _term(word).network not in _EVERYTHING
    except SpfSyntaxError:
        return False


def _term(word: str) -> Term:
    modifier = _MODIFIER.fullmatch(word)
    if modifier:
        name, value = modifier.group(1).lower(), modifier.group(2)
        if name in {"redirect", "exp"}:
            _require_domain(value, word=word)
        return Term(name, value=value)
    return _mechanism(word)


def _mechanism(word: str) -> Term:
    match = _MECHANISM.fullmatch(word)
    name = match.group(2).lower() if match else ""
    if match is None or name not in _MECHANISMS:
        raise SpfSyntaxError(word)
    qualifier, _, value, four, six = match.groups(default="")
    if (four or six) and name not in _TAKES_PREFIX:
        raise SpfSyntaxError(word)
    if name in {"ip4", "ip6"}:
        return Term(name, qualifier or "+", value, network=_network(word, name=name))
    if value or name in _NEEDS_VALUE:
        _require_domain(value, word=word)
    if int(four or 0) > 32 or int(six or 0) > 128 or (name == "all" and value):
        raise SpfSyntaxError(word)
    return Term(name, qualifier or "+", value, int(four or 32), int(six or 128))


def _network(word: str, *, name: str) -> Network:
    try:
        network = ip_network(word.partition(":")[2], strict=False)
    except ValueError:
        raise SpfSyntaxError(word) from None
    if f"ip{network.version}" != name:
        raise SpfSyntaxError(word)
    return network


def _require_domain(value: str, *, word: str) -> None:
    pattern = _MACRO if "%" in value else _HOST
    if not pattern.fullmatch(value):
        raise SpfSyntaxError(word)


_EVERYTHING = {ip_network("0.0.0.0/0"), ip_network("::/0")}
