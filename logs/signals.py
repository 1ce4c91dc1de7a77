"""What this app announces."""

from django.dispatch import Signal

email_events = Signal()
"""Sent inside the transaction with the stored ``events``, each once, with its ``email``."""

emails_due = Signal()
"""Sent after the commit with ``account_ids`` whose messages may go now."""
