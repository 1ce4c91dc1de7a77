"""CSV (RFC 4180) that people open in spreadsheet programs, where a cell may act as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

BOM = "\ufeff"
"""Without it Excel takes UTF-8 for something else."""
LONGEST_LINE = 8192

# OWASP, "CSV Injection": what makes a cell a formula, the full-width forms of some locales too.
_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def defused(text: str) -> str:
    """Return the cell so that no program takes it for a formula; ``plain`` takes that back."""
    return f"'{text}" if text.startswith(_STARTS) or text.lstrip().startswith(_STARTS) else text


def plain(text: str) -> str:
    """Return what ``defused`` was given."""
    return text[1:] if text.startswith("'") and defused(text[1:]) == text else text


def to_csv(rows: Iterable[Sequence[object]]) -> str:
    """Return the rows as text, None as an empty cell.

    Every cell is quoted: a program that splits at semicolons would else find cells inside of
    cells, and formulas in them.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([defused("" if cell is None else str(cell)) for cell in row] for row in rows)
    return text.getvalue()


def lines_of(file: BinaryIO) -> Iterator[tuple[int, str | None]]:
    """Yield number and text of each line of UTF-8, with or without a BOM, whatever its ends.

    None for a line that is longer than 8,192 characters; bytes that are not UTF-8 become U+FFFD.
    The file is closed in the end.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline=None)
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        is_whole = line.endswith("\n") or len(line) < LONGEST_LINE
        yield number, line.rstrip("\n") if is_whole else None
        while not is_whole:
            rest = text.readline(LONGEST_LINE)
            is_whole = rest.endswith("\n") or len(rest) < LONGEST_LINE


def delimiter_of(line: str) -> str:
    """Return what separates the cells of a file that begins with this line."""
    return max(",;\t", key=line.count)


def cells_of(line: str, *, delimiter: str) -> list[str] | None:
    """Return the cells of one line, or None where its quotes do not fit.

    A line by itself: a quote that is never closed must not swallow the rest of the file.
    """
    try:
        (cells,) = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):
        return None
    return [plain(cell.strip()) for cell in cells]
