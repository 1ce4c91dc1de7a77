"""Keep what the catcher took: the newest thousand mails."""

from __future__ import annotations

from django.db import close_old_connections, transaction

from catcher import server
from catcher.mail import subject_of
from catcher.models import CaughtMail

KEPT = 1000
REMOVED_AT_ONCE = 100


def keep(mail: server.CaughtMail) -> None:
    """Store ``mail`` and remove some of the oldest; whatever fails here, nothing is stored."""
    close_old_connections()
    with transaction.atomic():
        CaughtMail.objects.create(
            received_at=mail.received_at,
            mail_from=mail.mail_from[:320],
            recipients=list(mail.recipients),
            subject=subject_of(mail.raw),
            raw=mail.raw,
        )
        forget_oldest()


def forget_oldest() -> None:
    """Remove what exceeds :data:`KEPT`, at most :data:`REMOVED_AT_ONCE` rows at a time."""
    ids = CaughtMail.objects.order_by("-pk").values_list("pk", flat=True)
    CaughtMail.objects.filter(pk__in=list(ids[KEPT : KEPT + REMOVED_AT_ONCE])).delete()
