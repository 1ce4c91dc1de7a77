"""Mail header fields: which ones a caller may set, and each as safe, folded ASCII lines."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import quote

from common.addresses import Address
from common.errors import Refused
from common.text import check_text as check_text

MAX_CUSTOM_HEADERS = 50
MAX_VALUE_LENGTH = 2000
CRLF = b"\r\n"

_NAME = re.compile(r"[!-9;-~]{1,76}")
_RESERVED = re.compile(
    r"from|to|cc|bcc|sender|subject|date|message-id|reply-to|return-path|mime-version|apparently-to"
    r"|authentication-results|dkim-signature|domainkey-signature|delivered-to|errors-to"
    r"|list-unsubscribe(-post)?|(content|received|arc|resent|x-sendcraft)(-.*)?",
    re.IGNORECASE,
)
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PLAIN_PARAMETER = re.compile(r"[ !#-\[\]-~]{1,60}")
_LINE = 78
_LONGEST_TOKEN = 900
_WORD = 75 - len("=?utf-8?q??=")
# RFC 2047 section 5 (3): the bytes that may stand for themselves even in a display name.
_PLAIN_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = [chr(byte) if byte in _PLAIN_BYTES else f"={byte:02X}" for byte in range(256)]
_Q[ord(" ")] = "_"
_ATTR_CHARS = "!#$&+-.^_`|~"


def check_header_name(name: str, *, attr: str) -> str:
    """Return ``name`` unchanged when a caller may set that header.

    Raises:
        Refused: it is no header name (RFC 5322 section 2.2), or one that is ours to write.
    """
    if not _NAME.fullmatch(name):
        raise Refused("This is not a valid header name.", attr=attr)
    if _RESERVED.fullmatch(name):
        raise Refused("This header cannot be set here.", attr=attr)
    return name


def check_header_value(value: str, *, attr: str) -> str:
    """Return ``value`` unchanged when it may stand in a header; it is text, never markup.

    Raises:
        Refused: a control character, or more than 2,000 characters.
    """
    if len(value) > MAX_VALUE_LENGTH:
        raise Refused(f"A header holds at most {MAX_VALUE_LENGTH} characters.", attr=attr)
    return check_text(value, attr)


def check_headers(headers: Mapping[str, str], *, attr: str) -> tuple[tuple[str, str], ...]:
    """Return a caller's own headers in their order, each name once.

    Raises:
        Refused: too many, a name twice, or a name or value that is not allowed.
    """
    if len(headers) > MAX_CUSTOM_HEADERS:
        raise Refused(f"At most {MAX_CUSTOM_HEADERS} headers can be set.", attr=attr)
    if len({name.lower() for name in headers}) != len(headers):
        raise Refused("A header is given twice.", attr=attr)
    return tuple(
        (
            check_header_name(name, attr=attr),
            check_header_value(value, attr=f"{attr}.{name}"),
        )
        for name, value in headers.items()
    )


def encode_unstructured(name: str, value: str) -> bytes:
    """Return the header as ASCII lines, each ending in CRLF, that decode to exactly ``value``."""
    check_text(value, name)
    if _reads_as_itself(value):
        return _fold(name, value.split(" "))
    return _fold(name, _encoded_words(value, used=len(name) + 2))


def encode_address_list(name: str, addresses: Sequence[Address]) -> bytes:
    """Return an address header as lines ending in CRLF.

    ASCII, but for a local part that is not: that one goes out as UTF-8 and needs SMTPUTF8.
    """
    tokens: list[str] = []
    for address in addresses:
        phrase = _phrase(address.display_name, attr=name, used=0 if tokens else len(name) + 2)
        spec = f"<{address.addr_spec}>" if phrase else address.addr_spec
        tokens += [*phrase, spec + ","]
    tokens[-1] = tokens[-1].removesuffix(",")
    return _fold(name, tokens)


def encode_parameter(name: str, value: str) -> bytes:
    """Return ``; name=value`` for a MIME header, by RFC 2231 where plain quotes won't do."""
    check_text(value, name)
    if _PLAIN_PARAMETER.fullmatch(value) and "=?" not in value:
        return f';\r\n {name}="{value}"'.encode()
    chunks = list(
        _chunks(value, cost=lambda char: len(quote(char, _ATTR_CHARS)), first=50, rest=50)
    )
    parts = [quote(chunk, _ATTR_CHARS) for chunk in chunks]
    parts[0] = f"utf-8''{parts[0]}"
    if len(parts) == 1:
        return f";\r\n {name}*={parts[0]}".encode()
    return "".join(f";\r\n {name}*{n}*={part}" for n, part in enumerate(parts)).encode()


def _reads_as_itself(value: str) -> bool:
    return (
        value.isascii()
        and "=?" not in value
        and "  " not in value
        and value == value.strip(" ")
        and (len(value) <= _LONGEST_TOKEN or max(map(len, value.split(" "))) <= _LONGEST_TOKEN)
    )


def _phrase(name: str, *, attr: str, used: int) -> list[str]:
    """Return a display name as tokens between which a line may be folded."""
    check_text(name, attr)
    if not name.isascii() or "=?" in name or len(name) > 60:
        return _encoded_words(name, used=used)
    if _ATOMS.fullmatch(name):
        return name.split(" ")
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return [f'"{escaped}"'] if name else []


def _encoded_words(text: str, *, used: int) -> list[str]:
    """Return ``text`` as RFC 2047 words of 75 characters or fewer, the shorter of B and Q.

    ``used`` is what the header's name already takes of the first line.
    """
    whole = _q(text)
    if len(whole) <= len(text.encode()) * 4 / 3:
        if len(whole) + used <= _WORD:
            return [f"=?utf-8?q?{whole}?="]
        return [f"=?utf-8?q?{_q(chunk)}?=" for chunk in _word_chunks(text, cost=_q_cost, used=used)]
    return [f"=?utf-8?b?{_b(chunk)}?=" for chunk in _word_chunks(text, cost=_b_cost, used=used)]


def _word_chunks(text: str, *, cost: Callable[[str], int], used: int) -> Iterator[str]:
    room = _WORD if cost is _q_cost else _WORD // 4 * 3
    return _chunks(text, cost=cost, first=max(room - used, 12), rest=room)


def _chunks(text: str, *, cost: Callable[[str], int], first: int, rest: int) -> Iterator[str]:
    """Cut ``text`` between characters, so that no chunk costs more than its room."""
    start, taken, room = 0, 0, first
    for position, char in enumerate(text):
        price = cost(char)
        if taken + price > room:
            yield text[start:position]
            start, taken, room = position, 0, rest
        taken += price
    yield text[start:]


def _q(text: str) -> str:
    return "".join(map(_Q.__getitem__, text.encode()))


def _q_cost(char: str) -> int:
    return len(_q(char))


def _b(text: str) -> str:
    return b64encode(text.encode()).decode()


def _b_cost(char: str) -> int:
    return len(char.encode())


def _fold(name: str, tokens: list[str]) -> bytes:
    """Join tokens by spaces and break lines at 78 columns; a longer token gets its own line."""
    lines = [f"{name}: {tokens[0]}"]
    for token in tokens[1:]:
        if len(lines[-1]) + 1 + len(token) > _LINE:
            lines.append(f" {token}")
        else:
            lines[-1] += f" {token}"
    return "\r\n".join([*lines, ""]).encode()
