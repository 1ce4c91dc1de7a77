"""Smaller PNG files: the 256 colours that a page is mostly of, and one byte a pixel."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS, FREQUENT = 256, 48
Colour = tuple[int, int, int]


def shrink(file: Path) -> None:
    """Write the picture, which Chromium made, with a palette."""
    chunks = list(_chunks(file.read_bytes()))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    if (depth, kind) not in ((8, 2), (8, 6)):
        raise ValueError(f"{file} is neither RGB nor RGBA of 8 bits")
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    size = 3 if kind == 2 else 4
    rows = list(_unfiltered(data, width=width, height=height, size=size))
    pixels = [list(zip(row[0::size], row[1::size], row[2::size], strict=True)) for row in rows]
    counts = Counter(pixel for row in pixels for pixel in row)
    palette, place = _palette(counts)
    body = b"".join(b"\0" + bytes([place[pixel] for pixel in row]) for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    plte = b"".join(bytes(colour) for colour in palette)
    parts = ((b"IHDR", header), (b"PLTE", plte), (b"IDAT", zlib.compress(body, 9)), (b"IEND", b""))
    file.write_bytes(SIGNATURE + b"".join(_chunk(*part) for part in parts))


def _palette(counts: Counter[Colour]) -> tuple[list[Colour], dict[Colour, int]]:
    """Return the palette, and each colour's place in it.

    The most frequent colours come first, then time after time the one whose pixels would look
    the most wrong: frequent ones alone would make the few red letters of a page grey.
    """
    palette = [colour for colour, _count in counts.most_common(FREQUENT)]
    place: dict[Colour, int] = {}
    wrong: dict[Colour, int] = {}
    for colour in counts:
        distances = [_distance(colour, one) for one in palette]
        wrong[colour] = min(distances)
        place[colour] = distances.index(wrong[colour])
    while len(palette) < COLOURS:
        worst = max(counts, key=lambda colour: counts[colour] * wrong[colour])
        if not wrong[worst]:
            break
        palette.append(worst)
        for colour, least in wrong.items():
            if least and (distance := _distance(colour, worst)) < least:
                wrong[colour], place[colour] = distance, len(palette) - 1
    return palette, place


def _distance(one: Colour, other: Colour) -> int:
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _unfiltered(data: bytes, *, width: int, height: int, size: int) -> Iterator[bytearray]:
    """Yield the rows of pixels; each was stored as its difference from neighbours (PNG, 9.2)."""
    length = width * size
    before = bytearray(length)
    for start, end in pairwise(range(0, (height + 1) * (length + 1), length + 1)):
        row = bytearray(data[start + 1 : end])
        _undo(data[start], row, before, size=size)
        yield row
        before = row


def _undo(kind: int, row: bytearray, above: bytearray, *, size: int) -> None:
    for at in range(len(row)) if kind else ():
        left = row[at - size] if at >= size else 0
        corner = above[at - size] if at >= size else 0
        near = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))
        row[at] = (row[at] + near[kind]) & 255


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    distances = (abs(guess - left), abs(guess - above), abs(guess - corner))
    return (left, above, corner)[distances.index(min(distances))]
