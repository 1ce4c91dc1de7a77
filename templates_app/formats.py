"""How money, numbers and dates are written in the languages of our tenants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "BRL": "R$", "JPY": "¥", "CHF": "CHF", "AOA": "Kz"}
WITHOUT_CENTS = frozenset({"JPY", "KRW", "CLP", "PYG", "VND", "XAF", "XOF", "ISK"})
LARGEST = Decimal(10) ** 18

_PT_MONTHS = [
    *["janeiro", "fevereiro", "março", "abril", "maio", "junho"],
    *["julho", "agosto", "setembro", "outubro", "novembro", "dezembro"],
]
_EN_MONTHS = [
    *["January", "February", "March", "April", "May", "June"],
    *["July", "August", "September", "October", "November", "December"],
]


@dataclass(frozen=True)
class Locale:
    """The separators, patterns and month names of one language."""

    thousands: str
    decimal: str
    money: str
    months: list[str]
    short_date: str
    long_date: str
    joiner: str


LOCALES = {
    "pt": Locale(
        ".", ",", "{sign}{number} {symbol}", _PT_MONTHS,
        "{day:02}/{month:02}/{year:04}", "{day} de {name} de {year}", " ",
    ),
    "pt-br": Locale(
        ".", ",", "{sign}{symbol} {number}", _PT_MONTHS,
        "{day:02}/{month:02}/{year:04}", "{day} de {name} de {year}", " ",
    ),
    "en": Locale(
        ",", ".", "{sign}{symbol}{gap}{number}", _EN_MONTHS,
        "{abbreviation} {day}, {year}", "{name} {day}, {year}", ", ",
    ),
}  # fmt: skip


def locale(language: str) -> Locale:
    """Return how ``language`` writes; English where we don't know it."""
    tag = language.lower().replace("_", "-")
    return LOCALES.get(tag) or LOCALES.get(tag.partition("-")[0]) or LOCALES["en"]


@lru_cache(maxsize=4096)
def number(value: Decimal, *, decimals: int, language: str) -> str:
    """Return ``value`` rounded half up, with thousands grouped."""
    style = locale(language)
    text = f"{rounded(value, decimals=decimals):,.{decimals}f}"
    return text.translate({ord(","): style.thousands, ord("."): style.decimal})


def rounded(value: Decimal, *, decimals: int) -> Decimal:
    """Return ``value`` with so many decimals; halves go away from 0, as on invoices."""
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


@lru_cache(maxsize=4096)
def money(value: Decimal, *, currency: str, language: str) -> str:
    """Return an amount such as ``1.234,50 €``, ``R$ 1.234,50`` or ``€1,234.50``."""
    symbol = SYMBOLS.get(currency, currency)
    decimals = 0 if currency in WITHOUT_CENTS else 2
    written = number(abs(value), decimals=decimals, language=language)
    return locale(language).money.format(
        sign="-" if value < 0 and any(digit in "123456789" for digit in written) else "",
        number=written,
        symbol=symbol,
        gap=" " if symbol[-1].isalpha() and len(symbol) > 2 else "",
    )


def day(value: date, *, style: str, language: str) -> str:
    """Return ``value`` as ``31/01/2026`` (short) or ``31 de janeiro de 2026`` (long)."""
    known = locale(language)
    name = known.months[value.month - 1]
    pattern = known.long_date if style == "long" else known.short_date
    return pattern.format(
        day=value.day, month=value.month, year=value.year, name=name, abbreviation=name[:3]
    )


def moment(value: datetime, *, style: str, language: str) -> str:
    """Return the day and the time, in the zone that ``value`` was written in."""
    written = day(value, style=style, language=language)
    return f"{written}{locale(language).joiner}{value:%H:%M}"
