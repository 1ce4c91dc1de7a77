"""Which messages a background job is about: those of its tenant that its filters find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from common.errors import OutcomeUnknown
from logs.models import EmailLog, EmailTag
from logs.models.email import EmailLogQuerySet
from logs.searching import ID
from tenants.models import BackgroundJob, Tenant

FILTERS = {
    "status": "status",
    "mode": "mode",
    "account": "account_id",
    "template": "template_id",
    "batch": "batch_id",
    "queued_after": "queued_at__gte",
    "queued_before": "queued_at__lt",
}
"""What may be asked for, and the lookup that it is; times as ISO 8601."""
CERTAIN = "certain"
"""Asks for those alone of which somebody knows whether a server took them."""


def params_of(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``filters`` as a job keeps them: those of ``FILTERS``, ``CERTAIN``, tag and search.

    ``search`` is looked for in every message, not in the newest alone.
    """
    return {name: value for name, value in filters.items() if value}


def selected(job: BackgroundJob) -> EmailLogQuerySet:
    """Return the messages that the job's filters ask for."""
    return matching(job.tenant, job.params)


def matching(tenant: Tenant, params: Mapping[str, Any]) -> EmailLogQuerySet:
    """Return the tenant's messages that filters as a job keeps them ask for."""
    given = {FILTERS[name]: value for name, value in params.items() if name in FILTERS}
    emails = EmailLog.objects.for_tenant(tenant).filter(**given)
    if tag := params.get("tag"):
        # Asked of each message: a job walks these by key, and would list all of the tag each time.
        tags = EmailTag.objects.filter(tenant=tenant, tag=tag, email=OuterRef("pk"))
        emails = emails.filter(Exists(tags))
    if params.get(CERTAIN):
        emails = emails.exclude(error_code=OutcomeUnknown.code)
    words = Q()
    for word in params.get("search", "").split():
        words &= Q(subject__icontains=word) | Q(to_address__icontains=word) | _of_id(word)
    return emails.filter(words)


def _of_id(word: str) -> Q:
    """Return what finds the message whose tracking id ``word`` holds."""
    named = ID.search(word)
    return Q(tracking_id=UUID(named[0])) if named else Q(pk__in=[])
