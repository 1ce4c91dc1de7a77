"""Who changed what: set-up, people and keys in the audit log (django-auditlog), secrets masked."""

from __future__ import annotations

from typing import Any

from auditlog.middleware import AuditlogMiddleware
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from auditlog.signals import post_log
from django.apps import apps
from django.conf import settings
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

HIDDEN = "•••"
TENANT = "tenant"
"""Where an entry's ``additional_data`` names the tenant whose owners may read it."""

# What staff do to suppressions stands in the admin's own history: most come from machines.
# Each model, the way to its tenant, and columns that are told of without their values.
WATCHED: dict[str, tuple[str, list[str]]] = {
    "tenants.Tenant": ("pk", []),
    "tenants.Membership": ("tenant_id", []),
    "tenants.Invitation": ("tenant_id", []),
    "tenants.APIKey": ("tenant_id", ["digest"]),
    "domains.Domain": ("tenant_id", []),
    "domains.DKIMKey": ("domain.tenant_id", ["private_key_encrypted"]),
    "accounts.EmailAccount": (
        "domain.tenant_id",
        ["smtp_password_encrypted", "imap_password_encrypted"],
    ),
    "templates_app.EmailTemplate": ("tenant_id", []),
    "webhooks.WebhookEndpoint": (
        "tenant_id",
        ["secret_encrypted", "previous_secret_encrypted"],
    ),
    "ai_triage.Prompt": ("tenant_id", []),
    "ai_triage.TriageSettings": ("tenant_id", []),
    "ai_triage.Snippet": ("tenant_id", []),
    settings.AUTH_USER_MODEL: ("", ["password"]),
    "mfa.Authenticator": ("", ["data"]),
}
# Columns that no form shows, so that they are called nothing anywhere else.
CALLED: dict[str, str | Promise] = {
    "active_for": _("active"),
    "default_for": _("default account"),
    "imap_password_encrypted": _("IMAP password"),
    "paused_by_hand": _("paused by a person"),
    "previous_secret_encrypted": _("previous secret"),
    "private_key_encrypted": _("private key"),
    "public_id": _("id"),
    "secret_encrypted": _("secret"),
    "smtp_password_encrypted": _("SMTP password"),
}
# What the product itself writes down as it goes: no one's decision.
OWN_NOTES = [
    "dns", "dns_checked_at", "failing_since", "failures", "held_until", "last_login", "last_used",
    "last_used_at", "lease_token", "leased_until", "mailed_at", "off_told_at", "pause_told_at",
    "updated_at", "usage_count",
]  # fmt: skip


class AuditMiddleware(AuditlogMiddleware):  # type: ignore[misc]  # the library has no types
    """Notes who asks, where that can be a person: the API's requests are spared the work."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/admin/"):
            answer: HttpResponse = super().__call__(request)
            return answer
        return self.get_response(request)  # type: ignore[no-any-return]


def watch() -> None:
    """Log every change of the watched models from now on."""
    for label, (_path, secret) in WATCHED.items():
        model = apps.get_model(label)
        names = {field.name for field in model._meta.fields}
        auditlog.register(
            model,
            include_fields=sorted(names.difference(OWN_NOTES)),
            mapping_fields={name: CALLED[name] for name in names & CALLED.keys()},
            mask_fields=secret,
        )
    post_log.connect(note_tenant)


def mask(value: str) -> str:
    """Return what stands for a secret: nothing of it, only whether there is one."""
    return HIDDEN if value and value != "None" else ""


def note_tenant(
    sender: type[Model], instance: Model, log_entry: LogEntry | None, **kwargs: Any
) -> None:
    """Store whose entry it is, so that a tenant's owners can read their own."""
    if log_entry is not None and (tenant := tenant_of(instance)):
        log_entry.additional_data = {TENANT: tenant}
        log_entry.save(update_fields=["additional_data"])


def tenant_of(row: Model) -> int | None:
    """Return the tenant whose owners may read of a watched row; None: superusers alone."""
    path, _secret = WATCHED[row._meta.label]
    found: Any = row if path else None
    for name in filter(None, path.split(".")):
        found = getattr(found, name)
    tenant: int | None = found
    return tenant
