"""Sending and cancelling many messages as background jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.errors import SendCraftError
from logs import transitions
from logs.models import EmailLog
from logs.selection import matching, params_of, selected
from tenants.background import register
from tenants.each import ForEach
from tenants.models import BackgroundJob, Tenant
from tenants.services import start_job

RETRY, CANCEL = "messages.retry", "messages.cancel"
COUNTED = 10_000
"""So many messages are counted before they are changed: more cost too much time."""
WORDS = {
    "conflict": _("Its status does not allow this."),
    "gone": _("What it said was removed."),
}


def start_change(
    kind: str, *, tenant: Tenant, created_by: User | None, filters: Mapping[str, Any]
) -> BackgroundJob:
    """Send or cancel the tenant's messages that :mod:`logs.selection` finds by ``filters``."""
    return start_job(kind, tenant=tenant, created_by=created_by, params=params_of(filters))


def count(*, tenant: Tenant, filters: Mapping[str, Any]) -> int:
    """Return how many messages :func:`start_change` would be about, ``COUNTED`` + 1 for more."""
    return matching(tenant, params_of(filters))[: COUNTED + 1].count()


def retry(email: EmailLog, *, by: str) -> None:
    transitions.retry(email, at=timezone.now(), by=by)


def cancel(email: EmailLog, *, by: str) -> None:
    transitions.cancel(email, at=timezone.now(), by=by)


def _messages(job: BackgroundJob) -> QuerySet[EmailLog]:
    return selected(job).without_variables()


def _named(email: EmailLog, _error: SendCraftError) -> str:
    return str(email.tracking_id)  # an address would outlive its erasure


for _kind, _label, _verb, _done in (
    (RETRY, _("Sending of messages"), retry, _("On their way")),
    (CANCEL, _("Cancelling of messages"), cancel, _("Cancelled")),
):
    register(
        _kind,
        ForEach(
            label=_label,
            rows=_messages,
            verb=_verb,
            done=_done,
            words=WORDS,
            named=_named,
            is_signed=True,
        ).kind(),
    )
