"""A real server's report comes back and is matched with the message it is about."""

from __future__ import annotations

import smtplib

import pytest

from inbox import services
from inbox.models import InboundEmail
from logs.tests.builders import NOON, an_email
from tests.factories import make_account, make_domain
from tests.servers.mail_server import BOUNCE, DOMAIN, GHOST

pytestmark = [pytest.mark.servers, pytest.mark.django_db]


def test_a_bounce_from_postfix_finds_the_message_it_is_about(mail_server, tenant):
    account = make_account(make_domain(tenant, DOMAIN), "bounce")
    email = an_email(tenant, account=account, to_address=GHOST)
    raw = (
        f"From: {BOUNCE}\r\nTo: {GHOST}\r\nSubject: Order\r\n"
        f"Message-ID: {email.smtp_message_id}\r\n\r\nHello\r\n"
    )
    with smtplib.SMTP("127.0.0.1", mail_server.plain_port, timeout=20) as session:
        session.sendmail(BOUNCE, [GHOST], raw)
    (report,) = mail_server.wait_for(BOUNCE, count=1)

    row = services.receive(report, tenant=tenant, at=NOON)

    assert (row.kind, row.email, row.recipient) == ("bounce", email, GHOST)
    assert (row.bounce_type, row.status_code) == ("hard", "5.1.1")
    assert (row.envelope_sender, row.never_auto_reply) == ("", "report")
    assert InboundEmail.objects.count() == 1
