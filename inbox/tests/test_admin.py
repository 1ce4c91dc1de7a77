"""Staff read inbound mail in the admin; what a mail holds stays harmless there."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from accounts.models import EmailAccount
from inbox import services
from inbox.models import InboundEmail, Mailbox
from inbox.tests.imap_server import ScriptedIMAP
from inbox.tests.mails import a_bounce_of, a_mail, with_files
from inbox.tests.reading import account_reading, read
from logs.tests.builders import NOON, an_email
from tests.staff import staff, worked_off

pytestmark = pytest.mark.django_db
LIST = "/admin/inbox/inboundemail/"
JOB = "/admin/tenants/backgroundjob/{}/change/"
PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</pre><svg/onload=alert(1)>",
    "<div x-data x-init=alert(1)>",
]


@pytest.fixture
def viewer(tenant):
    return staff(tenant)


@pytest.fixture
def stranger(other_tenant):
    return staff(other_tenant, "owner")


def kept(raw: bytes, tenant) -> InboundEmail:
    return services.receive(raw, tenant=tenant, at=NOON)


def page(row, *more):
    return "/".join([f"{LIST}{row.pk}", *(more or ["change"]), ""])


def test_the_list_shows_kind_sender_and_subject(viewer, tenant):
    kept(a_mail(), tenant)
    kept(a_bounce_of("<x@y.test>"), tenant)

    everything = viewer.get(LIST).content.decode()
    bounces = viewer.get(f"{LIST}?kind__exact=bounce").content.decode()

    assert "ana@example.com" in everything
    assert "My order" in everything
    assert "Undelivered Mail" in bounces
    assert "My order" not in bounces


def test_a_page_shows_the_message_a_bounce_belongs_to(viewer, tenant, account):
    email = an_email(tenant, account=account)
    row = kept(a_bounce_of(email.smtp_message_id), tenant)

    shown = viewer.get(page(row)).content.decode()

    assert f"/admin/logs/emaillog/{email.pk}/change/" in shown
    assert "5.1.1" in shown


def test_a_message_leads_to_the_mail_that_told_of_its_bounce(viewer, stranger, tenant, account):
    email = an_email(tenant, account=account, status="sent")
    row = kept(a_bounce_of(email.smtp_message_id), tenant)

    shown = viewer.get(f"/admin/logs/emaillog/{email.pk}/change/").content.decode()
    (link,) = re.findall(r'<a href="([^"]+)">The mail that told of it</a>', shown)

    assert "inbound_id" not in shown
    assert row.subject in viewer.get(link).content.decode()
    assert stranger.get(link).status_code == 302
    assert viewer.get(f"{LIST}{uuid4()}/change/").status_code == 302
    assert viewer.get(f"{LIST}nothing/change/").status_code == 302


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_of_a_mail_is_markup_on_our_pages(viewer, tenant, payload):
    raw = a_mail(f"{payload}\r\n> {payload}", Subject=payload, From=f'"{payload}" <evil@x.test>')
    row = kept(raw, tenant)

    pages = [viewer.get(LIST).content.decode(), viewer.get(page(row)).content.decode()]

    assert escape(payload) in pages[1]
    assert [one for one in pages if payload in one] == []


def test_a_file_name_is_no_markup_either(viewer, tenant):
    row = kept(with_files(("<script>alert(1)<script>.txt", "text/x-note", b"x")), tenant)

    assert "<script>alert(1)" not in viewer.get(page(row)).content.decode()


def test_html_is_shown_in_a_frame_that_runs_nothing_and_calls_nobody(viewer, tenant):
    row = kept(with_files(html="<p>Olá</p><img src=https://x.test/p.gif>"), tenant)

    shown = viewer.get(page(row)).content.decode()
    framed = viewer.get(page(row, "html"))

    assert f'<iframe sandbox="" src="{page(row, "html")}"' in shown
    assert "https://x.test/p.gif" not in shown
    assert "<p>Olá</p>" in framed.content.decode()
    assert framed["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "https:" not in framed["Content-Security-Policy"]


@pytest.mark.parametrize("raw", [a_mail(), b"Content-Type: message/rfc822\r\n\r\n" * 5000])
def test_the_raw_mail_is_a_file_to_keep(viewer, tenant, raw):
    row = kept(raw, tenant)

    response = viewer.get(page(row, "raw"))

    assert response.content == raw
    assert response["Content-Disposition"] == f'attachment; filename="{row.public_id}.eml"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert viewer.get(page(row)).status_code == 200


def test_nobody_changes_or_deletes_mail(tenant):
    owner = staff(tenant, "owner")
    row = kept(a_mail(), tenant)

    assert owner.get(f"{LIST}add/").status_code == 403
    assert owner.post(page(row, "delete"), {"post": "yes"}).status_code == 403
    assert owner.post(page(row), {"subject": "x"}).status_code == 403
    row.refresh_from_db()
    assert row.subject == "My order"


def test_staff_of_another_tenant_find_nothing(stranger, tenant):
    row = kept(with_files(html="<p>secret</p>"), tenant)

    assert "fatura" not in stranger.get(LIST).content.decode()
    assert stranger.get(page(row)).status_code in (302, 404)
    assert stranger.get(page(row, "html")).status_code == 404
    assert stranger.get(page(row, "raw")).status_code == 404
    assert Client().get(page(row, "raw")).status_code == 302


def test_a_list_takes_the_same_number_of_queries_whatever_its_length(
    viewer, tenant, django_assert_max_num_queries
):
    for number in range(12):
        kept(a_mail(Message_ID=f"<{number}@x.test>"), tenant)

    with django_assert_max_num_queries(12):
        viewer.get(LIST)


# Mailboxes

BOXES = "/admin/inbox/mailbox/"


@pytest.fixture
def mailbox(domain):
    with ScriptedIMAP({1: a_mail()}) as server:
        read(account_reading(domain, server))
        yield Mailbox.objects.get()


def test_the_list_shows_how_far_reading_is_and_what_is_wrong(viewer, mailbox):
    Mailbox.objects.update(error="The server <b>refused</b> the password.")

    html = viewer.get(BOXES).content.decode()

    assert str(mailbox.account) in html
    assert "The server &lt;b&gt;refused&lt;/b&gt; the password." in html
    assert "s3cret-imap" not in html + viewer.get(f"{BOXES}{mailbox.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("The server does not open the folder.", "O servidor não abre a pasta."),
        (
            "The server refused the user name or the password.",
            "O servidor recusou o nome de utilizador ou a palavra-passe.",
        ),
    ],
)
def test_what_is_wrong_with_a_mailbox_is_said_in_the_readers_language(viewer, mailbox, error, said):
    Mailbox.objects.update(error=error)
    portuguese = {"Accept-Language": "pt-pt"}

    for url in (BOXES, f"{BOXES}{mailbox.pk}/change/"):
        html = viewer.get(url, headers=portuguese).content.decode()
        assert said in html
        assert error not in html


def test_another_tenants_mailboxes_do_not_exist(stranger, mailbox):
    assert str(mailbox.account) not in stranger.get(BOXES).content.decode()
    assert stranger.get(f"{BOXES}{mailbox.pk}/change/").status_code in (302, 404)
    choose(stranger, mailbox, "read_now")
    assert Mailbox.objects.get().next_read_at == mailbox.next_read_at


def choose(client, mailbox, action):
    return client.post(BOXES, {"action": action, "_selected_action": [mailbox.pk]})


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_only_administrators_test_and_read_at_once(tenant, mailbox, role):
    choose(staff(tenant, role), mailbox, "read_now")

    assert Mailbox.objects.get().next_read_at == mailbox.next_read_at


def test_a_mailbox_is_tested_for_real(tenant, mailbox):
    admin = staff(tenant, "admin")
    before = Mailbox.objects.values().get()

    works = worked_off(choose(admin, mailbox, "test_connection"))
    EmailAccount.objects.update(imap_port=1)
    fails = worked_off(choose(admin, mailbox, "test_connection"))

    assert works.result == {"done": 1, "refused": 0}
    assert fails.result == {"done": 0, "refused": 1}
    problem = f"{mailbox}: The server refused the connection."
    assert fails.problems.get().value == problem
    job = admin.get(JOB.format(fails.pk), headers={"Accept-Language": "pt-pt"}).content.decode()
    assert f"{mailbox}: O servidor recusou a ligação." in job
    assert Mailbox.objects.values().get() == before


def test_a_mailbox_that_waits_is_read_at_once(tenant, mailbox):
    Mailbox.objects.update(next_read_at="2099-01-01T00:00:00Z")

    choose(staff(tenant, "admin"), mailbox, "read_now")

    assert Mailbox.objects.get().next_read_at <= timezone.now()
