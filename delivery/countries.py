"""The country of an address, from a file; nobody is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address

import maxminddb
from django.conf import settings
from geoip2fast import GeoIP2Fast

logger = logging.getLogger(__name__)

BUNDLED = "geoip2fast-ipv6.dat.gz"


def country_of(address: str | None) -> str:
    """Return the two letters of ISO 3166-1 for an address, empty where nothing is known."""
    try:
        if not address or not ip_address(address).is_global:
            return ""
        return _lookup()(address)
    except Exception as error:  # noqa: BLE001  a damaged file costs a country, never an event
        logger.warning("no country can be found", extra={"error": type(error).__name__})
        return ""


@lru_cache(maxsize=1)
def _lookup() -> Callable[[str], str]:
    """Open the operator's file or the bundled one; it stays in memory (about 50 MB)."""
    if settings.GEOIP_DATABASE:
        return _of_file(maxminddb.open_database(settings.GEOIP_DATABASE))
    bundled = GeoIP2Fast(geoip2fast_data_file=BUNDLED)
    return lambda address: _checked(bundled.lookup(address).country_code)


def _of_file(file: maxminddb.Reader) -> Callable[[str], str]:
    def lookup(address: str) -> str:
        record = file.get(address)
        country = record.get("country") if isinstance(record, dict) else None
        return _checked(country.get("iso_code") if isinstance(country, dict) else None)

    return lookup


def _checked(code: object) -> str:
    is_code = isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha()
    return str(code) if is_code else ""
