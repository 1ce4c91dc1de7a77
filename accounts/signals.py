"""What accounts announce."""

from __future__ import annotations

from django.dispatch import Signal

connection_works = Signal()
"""``account``: it has just passed a test."""
