"""Shares of counts."""

from __future__ import annotations

from typing import Any

from django.utils.formats import number_format


def mean(total: Any, count: int) -> float:
    """Return the mean, 0 of nothing."""
    return float(total) / count if count else 0.0


def percent(share: float, *, digits: int = 0) -> str:
    """Return the share as the active language writes it."""
    return f"{number_format(round(share * 100, digits), digits)} %"
