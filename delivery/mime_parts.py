"""The parts of a MIME message, each as finished bytes of at most 78 columns of ASCII."""

from __future__ import annotations

import re
from binascii import b2a_base64, b2a_qp
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from itertools import chain
from struct import Struct

from common.errors import Refused
from common.headers import encode_parameter
from common.text import check_text

MAX_FILE_NAME_LENGTH = 255
OCTET_STREAM = "application/octet-stream"

_TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,100}"  # noqa: S105 - the grammar's word for a word
_CONTENT_TYPE = re.compile(
    rf'({_TOKEN})/{_TOKEN}(?: *; *(?:charset|method)=(?:{_TOKEN}|"{_TOKEN}")){{0,2}}', re.IGNORECASE
)
_CONTENT_ID = re.compile(r"<?([A-Za-z0-9!#$%&'*+/=^_`{|}~.@-]{1,200})>?")
# These reorder what is shown: "exe.pdf" may be a program.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ASCII = bytes(range(128))
_COLUMNS = 76
_LINES = Struct(f"{_COLUMNS}s" * 25)  # cuts five times as fast as slices do
_LONGEST_QP = 4096


@dataclass(frozen=True)
class OutgoingAttachment:
    """A file to send along; with a ``content_id`` the HTML can show it as ``cid:…``.

    Only ``encoded`` is kept of its ``content``, so that it can go with many messages.
    """

    filename: str
    content_type: str
    content: InitVar[bytes]
    content_id: str | None = None
    encoded: bytes = field(init=False)

    def __post_init__(self, content: bytes) -> None:
        """Write the content as lines of base64."""
        object.__setattr__(self, "encoded", _base64(content))


@dataclass(frozen=True)
class Part:
    """Header lines, each with its CRLF, and a body in a 7-bit encoding."""

    header: bytes
    body: bytes


def check_file_name(value: str, *, attr: str) -> str:
    """Return the last component of a file name, without any path.

    Raises:
        Refused: nothing is left, it is over 255 characters, or it holds what disguises a name.
    """
    name = re.split(r"[/\\]", check_text(value, attr))[-1].strip(" .")
    if _BIDI.search(name):
        raise Refused("A character that changes the writing direction is not allowed.", attr=attr)
    if not 0 < len(name) <= MAX_FILE_NAME_LENGTH:
        raise Refused("A file name has 1 to 255 characters.", attr=attr)
    return name


def check_content_type(value: str, *, attr: str) -> str:
    """Return the content type to send, ``charset`` and ``method`` kept.

    Messages and multiparts become plain octets: RFC 2046 section 5.2.1 forbids base64 for them.

    Raises:
        Refused: it is not ``type/subtype``.
    """
    found = _CONTENT_TYPE.fullmatch(value)
    if not found:
        raise Refused("A content type looks like type/subtype.", attr=attr)
    return OCTET_STREAM if found[1].lower() in {"message", "multipart"} else value


def check_content_id(value: str, *, attr: str) -> str:
    """Return a Content-ID without angle brackets, as ``cid:`` links name it.

    Raises:
        Refused: it holds anything but letters, digits and the usual marks.
    """
    found = _CONTENT_ID.fullmatch(value)
    if not found:
        raise Refused("A content id has up to 200 letters, digits, dots and @.", attr=attr)
    return found[1]


def text_part(subtype: str, text: str) -> Part:
    """Return text in the encoding that suits it; its last line always ends."""
    data = _crlf_lines(text.encode(errors="replace"))
    if _reads_well_in_qp(data):
        encoding, body = b"quoted-printable", b2a_qp(data)
    else:
        encoding, body = b"base64", _base64(data)
    header = f"Content-Type: text/{subtype}; charset=utf-8\r\n".encode()
    return Part(header + b"Content-Transfer-Encoding: " + encoding + b"\r\n", body)


def file_part(file: OutgoingAttachment, *, inline: bool) -> Part:
    """Return a file in base64, shown in its place when ``inline``."""
    disposition = b"inline" if inline else b"attachment"
    name = encode_parameter("filename", check_file_name(file.filename, attr="filename"))
    header = [
        f"Content-Type: {check_content_type(file.content_type, attr='content_type')}".encode(),
        b"Content-Transfer-Encoding: base64",
        b"Content-Disposition: " + disposition + name,
    ]
    if file.content_id:
        content_id = check_content_id(file.content_id, attr="content_id")
        header.append(f"Content-ID: <{content_id}>".encode())
    return Part(b"\r\n".join([*header, b""]), file.encoded)


def multipart(subtype: str, parts: Sequence[Part], *, boundary: str) -> Part:
    """Return the parts as one.

    ``boundary`` must begin with ``=_``, which neither encoding of ours can produce.
    """
    header = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n'.encode()
    delimiter = f"--{boundary}".encode()
    pieces: list[bytes] = []
    for part in parts:
        pieces += [delimiter, b"\r\n", part.header, b"\r\n", part.body, b"\r\n"]
    return Part(header, b"".join([*pieces, delimiter, b"--"]))


def _crlf_lines(data: bytes) -> bytes:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.removesuffix(b"\n").replace(b"\n", b"\r\n") + b"\r\n"


def _reads_well_in_qp(data: bytes) -> bool:
    """Whether quoted-printable is worth it: short, and less than a sixth of it not ASCII.

    Beyond that base64 is smaller, and for a long text it is written three times as fast.
    """
    return len(data) <= _LONGEST_QP and 6 * len(data.translate(None, _ASCII)) <= len(data)


def _base64(data: bytes) -> bytes:
    text = b2a_base64(data, newline=False)
    whole = len(text) - len(text) % _LINES.size
    lines = list(chain.from_iterable(_LINES.iter_unpack(memoryview(text)[:whole])))
    lines += [text[start : start + _COLUMNS] for start in range(whole, len(text), _COLUMNS)]
    return b"\r\n".join(lines)
