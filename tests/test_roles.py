"""Whatever the admin offers to somebody works, and what it does not offer is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import transaction
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from accounts.models import EmailAccount
from ai_triage import prompting, trials
from ai_triage.models import Snippet, TriageSettings
from ai_triage.prompting import Changes
from ai_triage.tests.rows import reviewed
from ai_triage.tests.waiting import a_result_of
from delivery.models import SendBatch
from delivery.services import suppress
from delivery.suppression_lists import start_export, start_import
from domains import services as domains
from inbox import services as inbox
from inbox.models import Mailbox
from inbox.tests.mails import with_files
from logs.models import Attachment
from logs.models.content import attachment_storage
from logs.tests.builders import an_email
from templates_app import services as templates
from templates_app.services import Author
from tenants import background, invitations
from tenants.models import APIKey, Membership, Tenant
from tests.crawling import START, Offers, crawl, sent
from tests.factories import make_account, make_template
from tests.staff import staff
from webhooks.models import WebhookDelivery
from webhooks.tests.telling import endpoint_at, tell

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]  # every page
ROLES = ["viewer", "editor", "admin", "owner"]
DJANGOS = ("_changelist", "_add", "_change", "_delete", "_history", "_password_change")
NOT_LINKED = {
    "ai_triage_triageresult_inbox_undo",  # for ten seconds after an act
    "caught_html", "caught_raw",  # for superusers
    "delivery_message_source",  # on a view of the message's content
    "templates_app_emailtemplate_frame",  # by a script
}  # fmt: skip
ELSEWHERE = "viewer here, owner elsewhere"


def fill(tenant: Tenant) -> None:
    """Give the tenant at least one row of everything that the admin shows."""
    now, host = timezone.now(), f"{tenant.slug}.test"
    colleague = User.objects.create_user(f"colleague-{tenant.slug}")
    Membership.objects.create(tenant=tenant, user=colleague, role="editor")
    domain = domains.create_domain(tenant=tenant, name=host)
    account = make_account(domain, "orders")
    reading = make_account(domain, "inbox", reads_mail=True, imap_server="127.0.0.1", imap_port=1)
    EmailAccount.objects.filter(pk=reading.pk).update(paused_at=now, paused_reason="refused")
    Mailbox.objects.create(account=reading)
    template = make_template(tenant, slug=f"order-{tenant.slug}", default_account=account)
    change = {"subject": "Order {{ number }}!"}
    templates.update_template(template, author=Author(user=None, name="ana"), changes=change)
    batch = SendBatch.objects.create(tenant=tenant, template=template, accepted=1)
    for status in ("queued", "failed", "sent"):
        given = {"status": status, "batch_id": batch.public_id, "content": {"html": "<p>Hi</p>"}}
        email = an_email(tenant, account=account, **given)
    path = attachment_storage().save(f"roles/{tenant.slug}", ContentFile(b"x"))
    file = {"filename": "a.txt", "content_type": "text/plain", "size_bytes": 1, "sha256": "0" * 64}
    Attachment.objects.create(part_of=email.content, path=path, **file)
    suppress("gone@example.com", tenant=tenant, source=email)
    endpoint_at("http://127.0.0.1:1/hook", tenant=tenant)
    tell(tenant)
    WebhookDelivery.objects.filter(tenant=tenant).update(status="failed", next_attempt_at=None)
    APIKey.issue(tenant=tenant, name="shop", mode="live", created_by=colleague)
    invitations.invite(f"new@{host}", tenant=tenant, role="viewer", by=colleague, at=now)
    prompt = prompting.create(tenant, Changes("curt", "Be curt.", ["questions"], []), author="ana")
    default = prompting.ensure_default(tenant)
    prompting.change(prompt, Changes("curt", "Be short.", ["questions"], []), author="ana")
    trials.start(tenant, name="which", a=default.in_use, b=prompt.in_use, share_b=50, author="ana")
    Snippet.objects.create(tenant=tenant, question="Hours?", answer="9 to 5")
    TriageSettings.objects.get_or_create(tenant=tenant)
    a_result_of(inbox.receive(with_files(html="<p>Hello</p>"), tenant=tenant, at=now))
    reviewed(tenant)
    start_export(tenant=tenant, created_by=colleague, filters={})
    background.work_off()
    start_import(ContentFile(b"no address", name="x.csv"), tenant=tenant, created_by=colleague)
    background.work_off()


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker) -> Iterator[Tenant]:
    """Two tenants full of rows, for all tests of this module."""
    with django_db_blocker.unblock(), transaction.atomic():
        tenants = [Tenant.objects.create(slug=slug, name=slug) for slug in ("shop", "other")]
        for tenant in tenants:
            fill(tenant)
        for tenant in tenants:
            start_export(tenant=tenant, created_by=None, filters={})  # waits
        LogEntry.objects.update(actor=User.objects.get(username="colleague-shop"))
        yield tenants[0]
        transaction.set_rollback(True)


def member(shop: Tenant, role: str) -> Client:
    if role != ELSEWHERE:
        return staff(shop, role)
    client = staff(shop, "viewer")
    other = Tenant.objects.get(slug="other")
    user = User.objects.create_user("of-both", is_staff=True)
    Membership.objects.create(tenant=shop, user=user, role="viewer")
    Membership.objects.create(tenant=other, user=user, role="owner")
    client.force_login(user)
    return client


@pytest.fixture(scope="module")
def offered(shop) -> Callable[[str], tuple[Client, Offers]]:
    """Returns a person's browser and what that person finds, looked for once.

    All are signed in ahead of the tests, each of which takes back what it wrote.
    """
    people = {role: member(shop, role) for role in [*ROLES, ELSEWHERE]}

    @cache
    def look(role: str) -> tuple[Client, Offers]:
        return people[role], crawl(people[role])

    return look


@pytest.mark.parametrize("role", [*ROLES, ELSEWHERE])
def test_every_link_and_button_that_a_page_offers_works(offered, role):
    client, offers = offered(role)

    refused = [f"{path} ({status}), on {offers.found_on.get(path)}"
               for path, status in offers.pages.items() if status >= 400]  # fmt: skip
    for key, offer in offers.forms.items():
        answer = sent(client, offer)
        if answer.is_refused:
            refused.append(f"{key} {answer}, on {offers.found_on[key]}")

    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
def test_what_only_a_higher_role_is_offered_is_refused(offered, role):
    client, offers = offered(role)
    above = offered("owner")[1].forms
    assert client.get(START).status_code == 200  # signed in

    done = [
        f"{key} {answer}"
        for key in above.keys() - offers.forms.keys()
        if not (answer := sent(client, above[key])).is_refused and answer.writes
    ]

    assert not done, "\n".join(done)


def test_an_owner_is_offered_every_page_of_our_own(offered):
    """So that the other tests look at a page that somebody adds."""
    offers = offered("owner")[1]
    paths = {*offers.pages, *(path for path, _button in offers.forms)}
    own = {one.name for each in admin.site.urls[0] for one in getattr(each, "url_patterns", [])}
    own = {name for name in own if name and not name.endswith(DJANGOS)}

    assert own - {resolve(path).url_name for path in paths} == NOT_LINKED
