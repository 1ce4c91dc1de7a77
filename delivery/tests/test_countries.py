"""The country of an address, by the bundled file or the operator's."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery import countries
from delivery.countries import country_of

KINDS = {2: 5, 4: 6}
"""The format's types of unsigned numbers by their bytes."""
SEPARATOR, MARKER = b"\0" * 16, b"\xab\xcd\xefMaxMind.com"


@pytest.fixture(autouse=True)
def _no_file_is_open():
    countries._lookup.cache_clear()
    yield
    countries._lookup.cache_clear()


def packed(value: object) -> bytes:
    """A value as MaxMind's format writes it: a control byte with type and size, then the bytes."""
    if isinstance(value, dict):
        body = b"".join(packed(key) + packed(each) for key, each in value.items())
        return bytes([7 << 5 | len(value)]) + body
    if isinstance(value, str):
        return bytes([2 << 5 | len(value)]) + value.encode()
    if isinstance(value, list):
        return bytes([len(value), 4]) + b"".join(map(packed, value))
    number, width = value
    kind = bytes([KINDS[width] << 5 | width]) if width < 8 else bytes([width, 2])
    return kind + number.to_bytes(width, "big")


def database(folder: Path, record: object) -> str:
    """A file in which every IPv4 address has ``record``: one node, both sides of it data."""
    tree = (1 + 16).to_bytes(3, "big") * 2
    about = {
        "node_count": (1, 4),
        "record_size": (24, 2),
        "ip_version": (4, 2),
        "database_type": "Test",
        "languages": ["en"],
        "binary_format_major_version": (2, 2),
        "binary_format_minor_version": (0, 2),
        "build_epoch": (1, 8),
        "description": {"en": "x"},
    }
    path = folder / "test.mmdb"
    path.write_bytes(tree + SEPARATOR + packed(record) + MARKER + packed(about))
    return str(path)


def test_the_operators_file_wins(settings, tmp_path):
    settings.GEOIP_DATABASE = database(tmp_path, {"country": {"iso_code": "PT"}})

    assert country_of("8.8.8.8") == "PT"
    assert country_of("2001:690::1") == ""


@pytest.mark.parametrize("record", [{"country": {}}, {"country": "x"}, {}, "x"])
def test_a_record_without_a_country_is_none(settings, tmp_path, record):
    settings.GEOIP_DATABASE = database(tmp_path, record)

    assert country_of("8.8.8.8") == ""


def test_a_file_that_went_away_costs_the_country_alone(settings, tmp_path):
    settings.GEOIP_DATABASE = str(tmp_path / "gone.mmdb")

    assert country_of("8.8.8.8") == ""


def test_the_bundled_file_knows_both_address_families(settings):
    settings.GEOIP_DATABASE = ""

    assert country_of("8.8.8.8") == "US"
    assert country_of("2001:690::1") == "PT"


@pytest.mark.parametrize("address", [None, "", "10.0.0.1", "127.0.0.1", "::1", "rubbish"])
def test_an_address_without_a_country_is_no_trouble(address):
    assert country_of(address) == ""
