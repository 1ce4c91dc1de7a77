"""What a new tenant still has to set up, step by step, until its first message went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import EmailAccount
from domains.models import DKIMKey, Domain
from logs.models import EmailLog, EmailStatus
from templates_app.models import EmailTemplate
from tenants.admin_base import roles_in
from tenants.models import APIKey, Role, Tenant
from tenants.roles import reaches

TAKEN = (EmailStatus.SENT, EmailStatus.DELIVERED, EmailStatus.BOUNCED, EmailStatus.SPAM)
MOST = 3
"""So many tenants' lists are shown."""


@dataclass(frozen=True)
class Step:
    """One thing to do, whether it is done, and where; ``link`` is None for who may not."""

    title: Promise
    hint: Promise
    is_done: bool
    link: str | None


@dataclass(frozen=True)
class Checklist:
    """A tenant's steps in their order."""

    tenant: Tenant
    steps: tuple[Step, ...]

    @property
    def done(self) -> int:
        return sum(step.is_done for step in self.steps)


# In the order of the work: what it is called, what it is for, where it is done and by whom.
STEPS = (
    (
        "has_domain",
        _("Add your domain"),
        _("The part after the @ of your senders."),
        "admin:domains_domain_add",
        Role.ADMIN,
    ),
    (
        "is_signed",
        _("Publish its DNS records"),
        _("Open the domain, copy the records to your DNS provider, then check."),
        "admin:domains_domain_changelist",
        Role.ADMIN,
    ),
    (
        "has_account",
        _("Connect a mail account"),
        _("The SMTP server that sends; activate it after a passed test."),
        "admin:accounts_emailaccount_changelist",
        Role.ADMIN,
    ),
    (
        "has_template",
        _("Write a template"),
        _("What your messages look like; programs fill in the variables."),
        "admin:templates_app_emailtemplate_add",
        Role.EDITOR,
    ),
    (
        "has_key",
        _("Make an API key"),
        _("What your shop or portal signs its requests with."),
        "admin:tenants_apikey_add",
        Role.ADMIN,
    ),
    (
        "has_sent",
        _("Send the first message"),
        _("Paste the request that is shown with a new key."),
        "admin:logs_emaillog_changelist",
        Role.VIEWER,
    ),
)


def unfinished(tenants: Sequence[Tenant], *, request: HttpRequest) -> list[Checklist]:
    """Return the lists of the first tenants that have something left to do, by one query."""
    roles = roles_in(request)
    rows = _looked_at([tenant.pk for tenant in tenants]).filter(sent=None)
    return [_checklist(row, role=roles.get(row.pk)) for row in rows[:MOST]]


def _looked_at(ids: Sequence[int]) -> QuerySet[Any]:
    own = {"tenant": OuterRef("pk")}
    by_domain = {"domain__tenant": OuterRef("pk")}
    return (
        Tenant.objects.filter(pk__in=ids, is_active=True)
        .annotate(
            has_domain=Exists(Domain.objects.filter(**own)),
            is_signed=Exists(DKIMKey.objects.signing().filter(**by_domain)),
            has_account=Exists(EmailAccount.objects.filter(is_active=True, **by_domain)),
            has_template=Exists(EmailTemplate.objects.filter(**own)),
            has_key=Exists(APIKey.objects.filter(revoked_at=None, **own)),
            # MariaDB would make a table of all messages for an EXISTS that is filtered by.
            sent=Subquery(EmailLog.objects.filter(status__in=TAKEN, **own).values("pk")[:1]),
            has_sent=Q(sent__isnull=False),
        )
        .order_by("-pk")
    )


def _checklist(row: Tenant, *, role: Role | None) -> Checklist:
    steps = (
        Step(
            title=title,
            hint=hint,
            is_done=getattr(row, name),
            link=reverse(page) if reaches(role, least) else None,
        )
        for name, title, hint, page, least in STEPS
    )
    return Checklist(row, tuple(steps))
