"""The admin's sidebar: the lists that this user may see, in the order of the work."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants.admin_base import roles_in
from tenants.roles import LEAST_ROLE, Verb, reaches

COMPOSE = "compose"
"""Stands for the page on which one message is written, which belongs to no list."""

GROUPS: list[tuple[Any, list[tuple[Any, str, str]]]] = [
    (
        _("Mail"),
        [
            (_("Messages"), "mail", "logs.EmailLog"),
            (_("Write a message"), "edit_square", COMPOSE),
            (_("Queues"), "pending_actions", "delivery.SendingQueue"),
            (_("Batches"), "stacked_email", "delivery.SendBatch"),
            (_("Delivery"), "monitoring", "logs.DailyFigures"),
            (_("Suppressions"), "block", "delivery.Suppression"),
            (_("Background jobs"), "hourglass_top", "tenants.BackgroundJob"),
            (_("Inbound mail"), "move_to_inbox", "inbox.InboundEmail"),
            (_("Caught mail"), "inbox", "catcher.CaughtMail"),
        ],
    ),
    (
        _("Triage"),
        [
            (_("Review queue"), "rate_review", "ai_triage.TriageResult"),
            (_("Prompts"), "psychology", "ai_triage.Prompt"),
            (_("Prompt trials"), "science", "ai_triage.Experiment"),
            (_("Knowledge"), "menu_book", "ai_triage.Snippet"),
            (_("Triage settings"), "tune", "ai_triage.TriageSettings"),
            (_("Triage by day"), "monitoring", "ai_triage.TriageAnalytics"),
            (_("Evaluations"), "fact_check", "ai_triage.EvaluationRun"),
        ],
    ),
    (
        _("Set-up"),
        [
            (_("Domains"), "dns", "domains.Domain"),
            (_("Accounts"), "outgoing_mail", "accounts.EmailAccount"),
            (_("Mailboxes"), "mark_email_unread", "inbox.Mailbox"),
            (_("Templates"), "draft", "templates_app.EmailTemplate"),
            (_("API keys"), "key", "tenants.APIKey"),
            (_("Webhooks"), "webhook", "webhooks.WebhookEndpoint"),
            (_("Webhook deliveries"), "history", "webhooks.WebhookDelivery"),
        ],
    ),
    (
        _("People"),
        [
            (_("Tenants"), "apartment", "tenants.Tenant"),
            (_("Members"), "group", "tenants.Membership"),
            (_("Invitations"), "person_add", "tenants.Invitation"),
            (_("Users"), "person", "auth.User"),
            (_("Audit log"), "history", "auditlog.LogEntry"),
        ],
    ),
]


def list_address(label: str, *, request: HttpRequest) -> str | None:
    """Return where work on the model begins, or None where this user may not see it.

    That is its list, unless its admin names another page as its ``front``.
    """
    if label == COMPOSE:
        return reverse("admin:delivery_compose") if may_send(request) else None
    model = apps.get_model(label)
    registered = admin.site._registry.get(model)
    if registered is None or not registered.has_view_permission(request):
        return None
    front = getattr(registered, "front", "changelist")
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{front}")


def is_open(label: str, *, request: HttpRequest) -> bool:
    """Tell whether the request is for one of the model's pages."""
    if request.path == reverse("admin:delivery_compose"):  # below a list that it is no part of
        return label == COMPOSE
    if label == COMPOSE:
        return False
    model = apps.get_model(label)
    of_list = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return request.path.startswith(of_list)


def may_send(request: HttpRequest) -> bool:
    """Tell whether the user may send a message in any tenant."""
    least = LEAST_ROLE[Verb.SEND]
    return any(reaches(role, least) for role in roles_in(request).values())


def badge(label: str, *, request: HttpRequest) -> dict[str, str]:
    """Return how much waits in the model's list, where its admin counts that."""
    if label == COMPOSE:
        return {}
    registered = admin.site._registry.get(apps.get_model(label))
    count = getattr(registered, "waiting_count", None)
    return {"badge": count(request), "badge_variant": "primary"} if count else {}


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what stands in the menu of the person who is signed in."""
    return [
        {"title": gettext("Change password"), "link": reverse("admin:password_change")},
        {"title": gettext("Second factor"), "link": reverse("mfa_index")},
    ]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the navigation as unfold draws it."""
    groups = []
    for title, entries in GROUPS:
        addressed = [
            {
                "title": name,
                "icon": icon,
                "link": address,
                "active": is_open(label, request=request),
                **badge(label, request=request),
            }
            for name, icon, label in entries
            if (address := list_address(label, request=request))
        ]
        if addressed:
            groups.append({"title": title, "items": addressed})
    return groups
