"""Text out of outside bytes: charsets, encoded words, parameters, addresses.

Everything costs time in proportion to its length and raises nothing: expressions can't backtrack
over more than they consume, and only charsets whose decoder is linear are used (``idna`` and
``punycode`` are not, ``zlib`` grows, ``rot13`` is no charset).
"""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator
from encodings.aliases import aliases
from urllib.parse import unquote_to_bytes

MAX_PARAMETERS = 50
MAX_ADDRESSES = 1000
MAX_IDS = 100

_CODEC_NAMES = (
    "ascii utf_8 utf_7 utf_16 utf_16_le utf_16_be utf_32 utf_32_le utf_32_be latin_1 "
    "iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10 "
    "iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16 cp1250 cp1251 cp1252 cp1253 cp1254 "
    "cp1255 cp1256 cp1257 cp1258 cp437 cp850 cp852 cp866 cp874 koi8_r koi8_u mac_roman gb2312 gbk "
    "gb18030 hz big5 big5hkscs cp949 cp950 euc_kr johab shift_jis cp932 euc_jp iso2022_jp "
    "iso2022_jp_2 iso2022_kr tis_620"
)
_CODECS = frozenset(_CODEC_NAMES.split())
_CHARSETS = (
    {name: name for name in _CODECS}
    | {alias: codec for alias, codec in aliases.items() if codec in _CODECS}
    | {"iso_8859_8_i": "iso8859_8", "utf8mb4": "utf_8", "x_sjis": "cp932", "gb2312": "gb18030"}
)
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Controls, line breaks of any kind, and marks that turn the direction of what follows.
_NOT_IN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_ENCODED = re.compile(
    r"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]{0,20})?\?([bBqQ])\?([^?\s]*)\?="
)
_PARAMETER = re.compile(r';\s*([^\s=;"]{1,80})\s*=\s*("(?:[^"\\]|\\.)*"?|[^\s;]*)', re.DOTALL)
_CONTINUED = re.compile(r"(.{1,70}?)(?:\*([0-9]{1,2}))?(\*)?")
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|\\.?|[(),;:<>]|[^"\\(),;:<>]+', re.DOTALL)
_ADDRESS = re.compile(r"[^\s@<>(),;:\"\\\[\]\x00-\x1f]{1,64}@[^\s@<>(),;:\"\\\[\]_]{1,255}")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,996}>")


def decoded(data: bytes, charset: str) -> str:
    """Return text in ``charset``; what does not fit, and an unknown charset, is replaced.

    Mail that names no charset, or ASCII, and holds more is UTF-8 or else Windows-1252.
    """
    codec = _CHARSETS.get(_NOT_WORD.sub("_", charset.lower()[:50]).strip("_"), "")
    if codec in ("", "ascii") and not data.isascii():
        try:
            return printable(data.decode())
        except UnicodeDecodeError:
            codec = "cp1252" if codec == "ascii" or not charset else "utf_8"
    return printable(data.decode(codec or "utf_8", "replace"))


def printable(text: str) -> str:
    """Return ``text`` without what databases and pages can't take; line ends become LF."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return ``text`` as one line without controls and with single spaces."""
    return " ".join(_NOT_IN_A_LINE.sub(" ", text).split())


def header_text(value: str) -> str:
    """Return an unstructured header in plain words, on one line."""
    if "=?" not in value:
        return one_line(value)
    return one_line("".join(_plain_words(value)))


def _plain_words(value: str) -> Iterator[str]:
    """Decode encoded words; neighbours of one charset together, as they may share a character."""
    position, waiting, charset = 0, b"", ""
    for word in _ENCODED.finditer(value):
        data = _word_bytes(word[2], word[3])
        between = value[position : word.start()]
        is_joined = bool(waiting) and not between.strip() and word[1].lower() == charset
        if not is_joined:
            yield decoded(waiting, charset) if waiting else ""
            yield "" if waiting and not between.strip() else between
            waiting = b""
        waiting += data
        charset, position = word[1].lower(), word.end()
    yield decoded(waiting, charset) if waiting else ""
    yield value[position:]


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("ascii", "replace")
    if encoding in "qQ":
        return a2b_qp(data, header=True)
    try:
        return a2b_base64(data + b"==")
    except BinasciiError:
        return data


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """Return a MIME header's first word, in lower case, and its parameters (RFC 2231)."""
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(value)):
        if count >= MAX_PARAMETERS:
            break
        name = _CONTINUED.fullmatch(found[1].lower())
        if name:
            piece = (int(name[2] or 0), name[3] is not None, _unquoted(found[2]))
            pieces.setdefault(name[1], []).append(piece)
    first = value.partition(";")[0].strip().lower()
    return first, {name: _joined(sorted(found)) for name, found in pieces.items()}


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return _PAIR.sub(r"\1", text[1:-1] if text.endswith('"') and len(text) > 1 else text[1:])


def _joined(pieces: list[tuple[int, bool, str]]) -> str:
    if not any(is_encoded for _number, is_encoded, _text in pieces):
        return "".join(text for _number, _is_encoded, text in pieces)
    charset, data = "utf-8", b""
    for number, is_encoded, text in pieces:
        if number == 0 and text.count("'") >= 2:
            charset, _language, text = text.split("'", 2)  # noqa: PLW2901
        data += unquote_to_bytes(text) if is_encoded else text.encode("utf-8", "replace")
    return decoded(data, charset)


def address_list(value: str) -> list[tuple[str, str]]:
    """Return (address, display name) of each mailbox; an address that is none is left out."""
    found: list[tuple[str, str]] = []
    for words, specs in _mailboxes(value):
        each = " ".join(specs or words).split()
        candidates = [word for word in each if _ADDRESS.fullmatch(word)]
        if candidates:
            name = header_text(" ".join("".join(words).split())) if specs else ""
            found.append((with_lower_domain(candidates[-1]), name[:255]))
        if len(found) >= MAX_ADDRESSES:
            break
    return found


def _mailboxes(value: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words outside and inside of angle brackets of each mailbox; no comments."""
    words: list[str] = []
    specs: list[str] = []
    depth, in_angle = 0, False
    for sign in _TOKEN.findall(value):
        if sign in "()":
            depth = max(depth + (1 if sign == "(" else -1), 0)
        elif depth:
            continue
        elif sign in "<>":
            in_angle = sign == "<"
        elif sign in ",;":
            yield words, specs
            words, specs, in_angle = [], [], False
        elif sign == ":" and not in_angle:  # a group's name ends
            words = []
        else:
            (specs if in_angle else words).append(_unquoted(sign))
    yield words, specs


def with_lower_domain(address: str) -> str:
    local_part, _at, domain = address.rpartition("@")
    return f"{local_part}@{domain.lower().rstrip('.')}"


def message_ids(value: str) -> tuple[str, ...]:
    """Return the message ids in ``value``, each once, at most the last hundred."""
    return tuple(dict.fromkeys(_MESSAGE_ID.findall(value)))[-MAX_IDS:]
