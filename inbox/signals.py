"""What this app announces."""

from django.dispatch import Signal

inbound_received = Signal()
"""Sent inside the transaction with the new ``inbound`` row, once for each mail."""
