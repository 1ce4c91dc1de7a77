"""Settling what drains of this machine left behind when they were killed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction

from common.clock import DatabaseClock
from delivery import journal, outcomes, recording, slots
from delivery.journal import Heard, Legacy
from delivery.outcomes import Attempt
from delivery.recording import Entry
from delivery.replies import objection
from logs.models import EmailLog, EmailStatus


def settle_dead() -> None:
    """Record what dead drains had heard, and let all else that they held be free at once."""
    journal.bury_dead(_settle)


def _settle(legacy: Legacy) -> None:
    held = EmailLog.objects.filter(status=EmailStatus.SENDING, lease_token=legacy.token)
    emails = {(email.pk, email.attempt): email for email in held.prefetch_related("tenant")}
    refused = {key for key, heard in legacy.heard.items() if _is_about_sender(heard)}
    known = emails.keys() & (legacy.heard.keys() - refused)
    if entries := [_entry(emails[key], legacy.heard[key]) for key in sorted(known)]:
        recording.record(entries)
    begun = emails.keys() & (legacy.begun - refused)
    _end_leases(legacy.token, begun=[pk for pk, _ in begun])


@transaction.atomic
def _end_leases(token: str, *, begun: Collection[int]) -> None:
    """Say of each message whether its data had begun: the rows say so of some too early."""
    held = EmailLog.objects.filter(status=EmailStatus.SENDING, lease_token=token)
    over = DatabaseClock().now() - timedelta(seconds=1)
    held.exclude(pk__in=begun).update(in_data=False, leased_until=over)
    held.filter(pk__in=begun).update(in_data=True, leased_until=over)
    slots.give_back(token)


def _entry(email: EmailLog, heard: Heard) -> Entry:
    attempt = Attempt(email, began_at=heard.began_at, at=heard.at, via=heard.via)
    outcome = outcomes.of_receipt(attempt, heard.receipt)
    return Entry(outcome, bad_addresses=outcomes.bad_addresses(heard.receipt))


def _is_about_sender(heard: Heard) -> bool:
    """Tell whether the server takes nothing from the sender: its message was not tried at all."""
    words = list(heard.receipt.outcomes.values())
    return objection(words, is_carried=bool(heard.via)) is not None
