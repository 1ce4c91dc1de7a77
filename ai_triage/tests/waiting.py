"""Rows that tests of review and reply start from, as processing leaves them."""

from __future__ import annotations

import itertools
from datetime import timedelta

from ai_triage.models import AutoReplyRule, Status, TriageResult, TriageSettings
from ai_triage.models.results import key_of
from inbox import services as inbox
from inbox.models import InboundEmail
from inbox.tests.mails import a_mail
from logs.tests.builders import NOON
from tenants.models import Tenant

numbers = itertools.count(1)
DRAFT = "Hello Ana,\n\nyour order leaves tomorrow.\n\nThe Shop"


VERDICT = {
    "language": "en",
    "status": Status.COMPLETED,
    "decision": "respond",
    "confidence": "0.97",
    "email_type": "question",
    "urgency": "medium",
    "reason": "A direct question",
    "suggested_subject": "Re: My order",
    "suggested_body": DRAFT,
    "suggested_tone": "friendly",
    "processed_at": NOON + timedelta(seconds=2),
    "provider": "rules",
}


def a_result(tenant: Tenant, **fields) -> TriageResult:
    """A question with its draft, judged and waiting for somebody."""
    given = {
        "email_id": f"msg_{next(numbers)}",
        "from_address": "ana@example.com",
        "from_name": "Ana",
        "to_address": "orders@shop.test",
        "subject": "My order",
        "body": "Where is my order?",
        "received_at": NOON,
        **VERDICT,
        **fields,
    }
    given["email_key"] = key_of(given["email_id"])
    return TriageResult.objects.create(tenant=tenant, **given)


def a_mail_in(tenant: Tenant, body: str = "Where is my order?", **headers) -> InboundEmail:
    """A mail as the inbox keeps it; headers as in ``a_mail``."""
    return inbox.receive(a_mail(body, **headers), tenant=tenant, at=NOON)


def a_result_of(mail: InboundEmail, **fields) -> TriageResult:
    """The triage of an inbound mail, judged."""
    TriageResult.objects.filter(inbound=mail).update(**(VERDICT | fields))
    return TriageResult.objects.select_related("tenant").get(inbound=mail)


def answers_automatically(tenant: Tenant, *types: str, **fields) -> TriageSettings:
    """The tenant's settings, with a rule for each type."""
    settings, _ = TriageSettings.objects.update_or_create(tenant=tenant, defaults=fields)
    for email_type in types or ("question",):
        AutoReplyRule.objects.create(settings=settings, email_type=email_type)
    return settings
