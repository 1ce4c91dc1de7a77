"""What this app announces."""

from django.dispatch import Signal

triage_completed = Signal()
"""Sent inside the transaction that stored the verdict, with ``result``."""

triage_failed = Signal()
"""Sent inside the transaction that gave the mail up for now, with ``result``."""
