"""What the catcher took is kept, the newest first to stay."""

from __future__ import annotations

import smtplib
from datetime import UTC, datetime

import pytest

from catcher import storage
from catcher.models import CaughtMail
from catcher.server import Catcher
from catcher.server import CaughtMail as Caught

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def caught(subject: str) -> Caught:
    raw = f"Subject: {subject}\r\n\r\nOlá\r\n".encode()
    return Caught(mail_from="a@a.test", recipients=("b@b.test",), raw=raw, received_at=NOON)


def test_a_mail_is_kept_byte_for_byte_with_its_subject():
    mail = caught("Encomenda")

    storage.keep(mail)

    row = CaughtMail.objects.get()
    assert bytes(row.raw) == mail.raw
    assert (row.subject, row.recipients, row.received_at) == ("Encomenda", ["b@b.test"], NOON)


def test_a_sender_longer_than_the_column_is_cut_rather_than_refused():
    mail = Caught(mail_from="a" * 500, recipients=(), raw=b"", received_at=NOON)

    storage.keep(mail)

    assert len(CaughtMail.objects.get().mail_from) == 320


def test_only_the_newest_mails_stay(monkeypatch):
    monkeypatch.setattr(storage, "KEPT", 3)

    for number in range(5):
        storage.keep(caught(str(number)))

    assert sorted(CaughtMail.objects.values_list("subject", flat=True)) == ["2", "3", "4"]


def test_many_old_mails_are_removed_in_batches(monkeypatch):
    for number in range(8):
        storage.keep(caught(str(number)))
    monkeypatch.setattr(storage, "KEPT", 2)
    monkeypatch.setattr(storage, "REMOVED_AT_ONCE", 4)

    storage.forget_oldest()
    after_one = CaughtMail.objects.count()
    storage.forget_oldest()

    assert after_one == 4
    assert sorted(CaughtMail.objects.values_list("subject", flat=True)) == ["6", "7"]


def test_a_mail_that_comes_in_by_smtp_is_in_the_database_when_the_sender_hears_250():
    with Catcher(storage.keep, port=0) as catcher:
        with smtplib.SMTP("127.0.0.1", catcher.port, timeout=30) as client:
            client.sendmail("shop@a.test", ["x@b.test"], b"Subject: Oi\r\n\r\ncorpo")
        found = list(CaughtMail.objects.values_list("subject", flat=True))

    assert found == ["Oi"]
