"""Badges of the lists name every state in words, with or without a colour."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.utils.translation import override
from unfold.utils import display_for_label

from ai_triage.kinds import Urgency
from ai_triage.models import Status, TriageResult
from domains.admin import VERDICTS
from domains.models import Domain
from inbox.kinds import Kind
from inbox.models import InboundEmail
from logs.models import EmailLog, EmailStatus
from logs.tests.builders import an_email
from tenants.models import BackgroundJob, Invitation, JobStatus
from tests.staff import staff
from webhooks.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint

# What each badge can be asked to show: the keys that its method gives.
KEYS = {
    (EmailLog, "status_label"): [*EmailStatus],
    (BackgroundJob, "status_label"): [*JobStatus],
    (Invitation, "state"): ["open", "accepted", "expired"],
    (TriageResult, "urgency_label"): [*Urgency, ""],
    (TriageResult, "state_label"): ["answered", "reviewed", "failed", "waiting", *Status],
    (WebhookEndpoint, "state_label"): ["on", "failing", "off"],
    (WebhookDelivery, "status_label"): [*DeliveryStatus],
    (InboundEmail, "kind_label"): [*Kind],
    (Domain, "column"): [*VERDICTS],
}


def badges():
    """The colours by key of every column of the admin's lists that is a badge."""
    for model, model_admin in admin.site._registry.items():
        for column in model_admin.list_display:
            shown = column if callable(column) else getattr(model_admin, column, None)
            if isinstance(colours := getattr(shown, "label", None), dict):
                yield model, shown.__name__, colours


def test_every_badge_of_the_lists_is_known_here():
    assert {(model, column) for model, column, _colours in badges()} == set(KEYS)


@pytest.mark.parametrize(("model", "column", "colours"), list(badges()))
def test_a_badge_shows_the_words_for_whatever_it_is_given(model, column, colours):
    for key in KEYS[model, column]:
        assert "in words" in display_for_label((key, "in words"), "–", colours), key


@pytest.mark.django_db
def test_a_cancelled_message_is_cancelled_in_the_readers_language(tenant):
    an_email(tenant, status=EmailStatus.CANCELLED)

    with override("pt"):
        page = staff(tenant).get("/admin/logs/emaillog/", headers={"Accept-Language": "pt"})
        label = str(EmailStatus.CANCELLED.label)
    rows = page.content.decode().partition("<tbody")[2]
    assert label in rows
    assert "cancelled" not in rows.partition("field-to_address")[0]
