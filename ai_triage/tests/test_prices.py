"""What a mail costs, as far as prices are known."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from ai_triage.prices import cost_of
from ai_triage.usage import Usage

MILLION_EACH = Usage(1_000_000, 1_000_000)


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gemini-3.5-flash-lite", "2.80"),
        ("models/gemini-3.5-flash-lite-001", "2.80"),
        ("gemini-3.5-flash-lite-preview-09-2026", "2.80"),
        ("gemini-3.5-flash", "10.50"),
        ("gemini-2.5-flash-lite", "0.50"),
        ("gemini-2.5-flash", "2.80"),
    ],
)
def test_a_version_of_a_model_costs_what_the_model_costs(model, dollars):
    assert cost_of(model, MILLION_EACH) == Decimal(dollars)


def test_a_price_that_changes_holds_by_day():
    assert cost_of("gemini-3.8-flash", MILLION_EACH, on=date(2026, 12, 31)) == Decimal("4.50")
    assert cost_of("gemini-3.8-flash", MILLION_EACH, on=date(2027, 1, 1)) == Decimal("9.00")


def test_a_mail_costs_less_than_a_tenth_of_a_cent():
    assert cost_of("gemini-3.5-flash-lite", Usage(800, 250)) == Decimal("0.000865")


@pytest.mark.parametrize("model", ["gemini-2.5-flash-image", "llama3.1:8b", "linear-1", ""])
def test_what_nobody_knows_the_price_of_has_none(model):
    assert cost_of(model, MILLION_EACH) is None
