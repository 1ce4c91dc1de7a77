"""What becomes of hits: judged, counted on their messages, and gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from common.clock import DatabaseClock
from delivery import spill
from delivery.countries import country_of
from delivery.machines import BURST, Clicks, Visit, machine_reason
from logs import engagement
from logs.engagement import Engagement
from logs.models import EmailEvent, EmailLog, EventType, TrackingHit

AT_ONCE = 500
RIPE = BURST + timedelta(milliseconds=500)
"""The age at which what belongs to a hit is stored too: a second of clicks, and a little."""
WRONG = timedelta(seconds=10)
"""How far ahead a clock has to be for its hits to be counted unripe."""
MOST_NEIGHBOURS = 5_000


def count_hits() -> None:
    """Take in what lies in files, then count all hits that are ripe, each once."""
    spill.read_in()
    at = DatabaseClock().now()
    if not _ripe(at=at).exists():
        return  # without SQLite's write lock, which a transaction takes
    while _count_some(at=at) == AT_ONCE:
        pass


def _ripe(*, at: datetime) -> QuerySet[TrackingHit]:
    """Hits that may be counted at ``at``; those of a host whose clock is wrong need not wait."""
    return TrackingHit.objects.filter(Q(at__lte=at - RIPE) | Q(at__gt=at + WRONG))


@transaction.atomic
def _count_some(*, at: datetime) -> int:
    """Count up to 500 hits and remove them; return how many there were.

    Workers take turns: to skip what others have locked would end in deadlocks, since InnoDB also
    looks at rows of others when it removes one's own from a small table.
    """
    ripe = _ripe(at=at).order_by("pk")
    hits = list(ripe.select_for_update()[:AT_ONCE])
    if hits:
        emails = engagement.locked_messages({hit.tracking_id for hit in hits})
        known = [hit for hit in hits if hit.tracking_id in emails]
        clicks = _clicks_around(known, emails=list(emails.values()))
        engagement.note([_judged(h, emails[h.tracking_id], clicks=clicks) for h in known], at=at)
        TrackingHit.objects.filter(pk__in=[hit.pk for hit in hits]).delete()
    return len(hits)


def _judged(hit: TrackingHit, email: EmailLog, *, clicks: Clicks) -> Engagement:
    """Return what the hit means; without personal data where nobody wants, or may have, them."""
    is_private = email.tenant.private_tracking or email.is_erased
    return Engagement(
        email=email,
        kind=EventType(hit.kind),
        at=hit.at,
        machine_reason=machine_reason(_visit(hit), clicks=clicks),
        user_agent="" if is_private else hit.user_agent,
        ip_address=None if is_private else hit.ip_address,
        country=country_of(hit.ip_address),
        url=hit.url,
    )


def _clicks_around(hits: Sequence[TrackingHit], *, emails: Sequence[EmailLog]) -> Clicks:
    """Return the clicks on the hits' messages around them: waiting ones, and counted ones."""
    if not hits:
        return Clicks()
    times = [hit.at for hit in hits]
    since, until = min(times) - BURST, max(times) + BURST
    waiting = TrackingHit.objects.filter(
        tracking_id__in={hit.tracking_id for hit in hits},
        kind=EventType.CLICKED,
        at__range=(since, until),
    )
    counted = engagement.recent_clicks(emails, since=since)
    ids = {email.pk: email for email in emails}
    return Clicks.of(
        [
            *(_visit(hit) for hit in waiting[:MOST_NEIGHBOURS]),
            *(_visit_of(event, ids[event.email_id]) for event in counted),
        ]
    )


def _visit(hit: TrackingHit) -> Visit:
    return Visit(
        tracking_id=hit.tracking_id,
        kind=hit.kind,
        at=hit.at,
        address=hit.ip_address,
        user_agent=hit.user_agent,
        url=hit.url,
        sign=hit.sign,
    )


def _visit_of(event: EmailEvent, email: EmailLog) -> Visit:
    data = event.data
    return Visit(
        tracking_id=email.tracking_id,
        kind=event.type,
        at=event.at,
        address=data.get("ip_address"),
        user_agent=data.get("user_agent") or "",
        url=data.get("url", ""),
    )
