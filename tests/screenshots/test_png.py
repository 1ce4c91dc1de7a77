"""Pictures stay what they were when they get a palette."""

from __future__ import annotations

import struct
import zlib

from tests.screenshots import png

RED, GREEN, WHITE = (220, 0, 0), (0, 160, 0), (255, 255, 255)
IMAGE = [[RED, RED, WHITE], [RED, GREEN, WHITE], [RED, GREEN, GREEN], [WHITE, GREEN, RED]]


def filtered(rows: list[list[tuple[int, ...]]]) -> bytes:
    """Write rows as RGB, each by another of PNG's ways: as it is, less its left, less its upper."""
    data, above = b"", bytes(3 * len(rows[0]))
    for number, row in enumerate(rows):
        plain, kind = bytes(value for colour in row for value in colour), number % 3
        before = (bytes(len(plain)), bytes(3) + plain[:-3], above)[kind]
        data += bytes([kind, *((a - b) & 255 for a, b in zip(plain, before, strict=True))])
        above = plain
    return data


def test_a_picture_of_few_colours_keeps_each_pixel(tmp_path):
    file = tmp_path / "picture.png"
    header = struct.pack(">IIBBBBB", 3, 4, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered(IMAGE))), (b"IEND", b""))
    file.write_bytes(png.SIGNATURE + b"".join(png._chunk(*part) for part in parts))

    png.shrink(file)

    chunks = dict(png._chunks(file.read_bytes()))
    palette = [tuple(chunks[b"PLTE"][at : at + 3]) for at in range(0, len(chunks[b"PLTE"]), 3)]
    data = zlib.decompress(chunks[b"IDAT"])
    rows = [data[at + 1 : at + 4] for at in range(0, len(data), 4)]
    assert [[palette[number] for number in row] for row in rows] == IMAGE


def test_a_few_red_pixels_stay_red_among_many_greys():
    greys = {(grey, grey, grey + shade): 500 for grey in range(100, 250) for shade in range(6)}

    palette, place = png._palette(png.Counter({**greys, RED: 40}))

    assert palette[place[RED]] == RED
    assert len(palette) == png.COLOURS
