"""E-mail addresses as people type them, checked once and then sent exactly as checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import idna
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from common.errors import Refused
from common.text import check_text

MAX_TEXT_LENGTH = 1000
MAX_DISPLAY_NAME_LENGTH = 255
MAX_LOCAL_PART_OCTETS = 64

# A private network may well have mailboxes under these names. The list is the library's documented
# switch; there is no argument for it.
_PRIVATE_SUFFIXES = {"local", "localhost", "test"}
SPECIAL_USE_DOMAIN_NAMES[:] = [d for d in SPECIAL_USE_DOMAIN_NAMES if d not in _PRIVATE_SUFFIXES]

_ATOM = r"[^\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff()<>@,;:\\\".\[\]]+"
_QUOTED = r'"(?:[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"\\]|\\["\\])+"'
_ADDR_SPEC = re.compile(rf"(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_QUOTED_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
# A whole batch goes to few domains: only its local parts are new, and most are as plain as this.
_PLAIN_LOCAL_PART = re.compile(r"(?!.{65})[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
# Where these stand outside quotes, two mail programs may read two different recipients.
_AMBIGUOUS = re.compile(r'[()<>@,;:\\"\[\]]')


@dataclass(frozen=True)
class Address:
    """One mailbox: ``addr_spec`` is what goes to RCPT, its domain in lower-case ASCII (IDNA)."""

    addr_spec: str
    display_name: str = ""

    def __post_init__(self) -> None:
        """Refuse what could be read as more than one mailbox, whoever built it."""
        if not _ADDR_SPEC.fullmatch(self.addr_spec) or "=?" in self.addr_spec:
            raise ValueError("not one e-mail address")

    @property
    def local_part(self) -> str:
        """What stands before the @, with its quotes where it needs them."""
        return self.addr_spec.rpartition("@")[0]

    @property
    def domain(self) -> str:
        """The domain as the DNS knows it."""
        return self.addr_spec.rpartition("@")[2]

    @property
    def unicode_domain(self) -> str:
        """The domain as people read it."""
        try:
            return idna.decode(self.domain)
        except idna.IDNAError:
            return self.domain

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only servers with SMTPUTF8 (RFC 6531) can take mail for it."""
        return not self.addr_spec.isascii()


def parse_address(text: str, *, attr: str) -> Address:
    """Return the one mailbox that ``text`` names, with or without a display name.

    Raises:
        Refused: it is no address, several, a group, or holds comments or control characters.
    """
    check_text(text, attr)
    if len(text) > MAX_TEXT_LENGTH:
        raise Refused("This address is too long.", attr=attr)
    name, spec = _split(text.strip(), attr=attr)
    return Address(_checked_spec(spec, attr=attr), _checked_name(name, attr=attr))


def normalized(address: Address) -> str:
    """Return the key under which one person's spellings of an address meet.

    At most 286 characters: folding a few letters makes them longer.
    """
    return address.addr_spec.casefold()


def _split(text: str, *, attr: str) -> tuple[str, str]:
    if not text.endswith(">"):
        return "", text
    quoted = _QUOTED_NAME.match(text)
    start = text.find("<", quoted.end() if quoted else 0)
    if start < 0:
        raise Refused("An opening angle bracket is missing.", attr=attr)
    return text[:start].strip(), text[start + 1 : -1]


def _checked_name(name: str, *, attr: str) -> str:
    quoted = _QUOTED_NAME.fullmatch(name)
    if quoted:
        name = _QUOTED_PAIR.sub(r"\1", quoted[1])
    elif _AMBIGUOUS.search(name):
        raise Refused("The name before the address needs quotes.", attr=attr)
    name = " ".join(name.split())
    if len(name) > MAX_DISPLAY_NAME_LENGTH:
        raise Refused("The name before the address is too long.", attr=attr)
    return name


def _checked_spec(spec: str, *, attr: str) -> str:
    local_part, _, domain = spec.rpartition("@")
    if _PLAIN_LOCAL_PART.fullmatch(local_part) and _is_known(domain):
        return f"{local_part}@{domain.lower()}"
    return _thoroughly_checked(spec, attr=attr)


@lru_cache(maxsize=4096)
def _is_known(domain: str) -> bool:
    """Tell whether the thorough check takes ``domain`` as it is, but for its case."""
    try:
        return _thoroughly_checked(f"a@{domain}", attr="") == f"a@{domain.lower()}"
    except Refused:
        return False


def _thoroughly_checked(spec: str, *, attr: str) -> str:
    try:
        found = validate_email(
            spec, check_deliverability=False, allow_quoted_local=True, globally_deliverable=False
        )
    except EmailNotValidError as error:
        raise Refused(str(error), attr=attr) from None
    domain = found.ascii_domain.lower()
    if "." not in domain or domain.rpartition(".")[2].isdigit():
        raise Refused("The part after the @-sign is not a full domain name.", attr=attr)
    if len(found.local_part.encode()) > MAX_LOCAL_PART_OCTETS:
        raise Refused("The part before the @-sign is longer than 64 octets.", attr=attr)
    if "=?" in found.local_part:
        raise Refused("An encoded word is not allowed in an address.", attr=attr)
    return f"{found.local_part}@{domain}"
