"""What this app announces."""

from django.dispatch import Signal

tenant_created = Signal()
"""Sent inside the transaction with ``tenant``."""
