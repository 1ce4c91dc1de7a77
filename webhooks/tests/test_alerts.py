"""Who is told of a webhook that was switched off."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone

from tenants.models import Membership, Role
from webhooks import alerts
from webhooks.models import Off, WebhookEndpoint
from webhooks.tests.telling import endpoint_at

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def endpoint(tenant, other_tenant) -> WebhookEndpoint:
    tenant.language = "en"
    tenant.save()
    for place, role in [(tenant, Role.OWNER), (tenant, Role.EDITOR), (other_tenant, Role.OWNER)]:
        name = f"{role}-{place.slug}"
        user = User.objects.create_user(name, email=f"{name}@staff.test")
        Membership.objects.create(tenant=place, user=user, role=role)
    made = endpoint_at("https://hooks.shop.example/x?token=canary", tenant=tenant)
    WebhookEndpoint.objects.filter(pk=made.pk).update(
        is_active=False, off_reason=Off.FAILING, off_at=NOW
    )
    return made


def test_the_owners_are_told_once_where_why_and_what_now(endpoint):
    assert [alerts.tell_of_switched_off(at=NOW) for _ in range(2)] == [1, 0]

    (message,) = mail.outbox
    assert message.to == ["owner-shop@staff.test"]
    assert message.subject == "A webhook was switched off: hooks.shop.example"
    assert "it failed for three days" in message.body
    assert f"/admin/webhooks/webhookendpoint/{endpoint.pk}/change/" in message.body
    assert "canary" not in message.body


def test_a_mail_that_could_not_go_is_tried_again(endpoint, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert alerts.tell_of_switched_off(at=NOW) == 0

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert alerts.tell_of_switched_off(at=NOW) == 1


def test_nobody_is_told_of_what_a_person_switched_off(endpoint):
    WebhookEndpoint.objects.update(off_reason="", off_at=None)

    assert alerts.tell_of_switched_off(at=NOW) == 0
