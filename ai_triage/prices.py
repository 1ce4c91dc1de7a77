"""What a model's tokens cost, in US dollars.

Google's list prices as read on 2026-10-07 (api-evangelist/deepmind) and, for what that leaves
out, as quoted by third parties in 2026; standard tier, paid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from ai_triage.usage import Usage

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """Dollars for a million tokens; the last day on which it holds, None: until further notice."""

    input: Decimal
    output: Decimal
    until: date | None = None


def _price(given: str, taken: str, until: date | None = None) -> Price:
    return Price(Decimal(given), Decimal(taken), until)


PRICES = {
    "gemini-3.8-flash": (_price("0.75", "3.75", date(2026, 12, 31)), _price("1.50", "7.50")),
    "gemini-3.5-flash-lite": (_price("0.30", "2.50"),),
    "gemini-3.5-flash": (_price("1.50", "9.00"),),
    "gemini-3.1-flash-lite": (_price("0.25", "1.50"),),
    "gemini-2.5-flash-lite": (_price("0.10", "0.40"),),
    "gemini-2.5-flash": (_price("0.30", "2.50"),),
}
# gemini-3.5-flash-lite-001, …-preview-09-2026; but not gemini-2.5-flash-image, another model.
_VERSION = re.compile(r"(?:models/)?(?P<name>.+?)(?:-(?:\d{3}|latest|preview(?:-[\d-]+)?))?")


def cost_of(model: str, usage: Usage, *, on: date | None = None) -> Decimal | None:
    """Return what ``usage`` of the model costs on that day (today), None where nobody knows."""
    day = on or datetime.now(UTC).date()
    found = _VERSION.fullmatch(model)
    for price in PRICES.get(found["name"], ()) if found else ():
        if price.until is None or day <= price.until:
            spent = usage.input_tokens * price.input + usage.output_tokens * price.output
            return spent / MILLION
    return None
