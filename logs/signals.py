"""What this app announces."""

from django.dispatch import Signal

email_event = Signal()
"""Sent inside the transaction with ``email`` and the stored ``event``, once for each."""

emails_due = Signal()
"""Sent after the commit with ``account_ids`` whose messages may go now."""
