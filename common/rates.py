"""Shares of counts."""

from __future__ import annotations

from typing import Any


def mean(total: Any, count: int) -> float:
    """Return the mean, 0 of nothing."""
    return float(total) / count if count else 0.0


def percent(share: float, *, digits: int = 0) -> str:
    return f"{share * 100:.{digits}f} %"
