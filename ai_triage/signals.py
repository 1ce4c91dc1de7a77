"""What this app announces."""

from django.dispatch import Signal

triage_completed = Signal()
"""Sent inside the transaction that stored the verdict, with ``result``."""

triage_failed = Signal()
"""Sent inside the transaction that gave the mail up for now, with ``result``."""

provider_paused = Signal()
"""Sent outside of any transaction with ``provider``, ``reason`` and ``until`` (aware).

A provider has refused us (a bad key, a spent quota, a model that has gone), so it is asked
nothing until then and somebody must look. Sent once for each pause.
"""

provider_recovered = Signal()
"""Sent outside of any transaction with ``provider``, which answers again after a pause."""
