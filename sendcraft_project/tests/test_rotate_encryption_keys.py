"""``manage.py rotate_encryption_keys``."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import EmailAccount
from domains.models import DKIMKey, Domain
from sendcraft_project.management.commands import rotate_encryption_keys
from sendcraft_project.management.commands.rotate_encryption_keys import Command

pytestmark = pytest.mark.django_db
OLD, NEW = "the-old-encryption-key", "the-new-encryption-key"


@pytest.fixture
def accounts(tenant, settings):
    settings.ENCRYPTION_KEYS = [OLD]
    domain = Domain.objects.create(tenant=tenant, name="shop.example")
    key = DKIMKey(domain=domain, selector="s1", algorithm="rsa", public_record="v=DKIM1")
    key.private_key = "the private key"
    key.save()
    return [account(domain, number) for number in range(5)]


def account(domain, number):
    row = EmailAccount(domain=domain, email_address=f"{number}@shop.example", smtp_server="s")
    row.smtp_password = f"hunter-{number}"
    row.imap_password = f"imap-{number}" if number else ""
    row.save()
    return row


def rotate():
    out, err = StringIO(), StringIO()
    try:
        call_command("rotate_encryption_keys", stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), err.getvalue(), str(error)
    return out.getvalue(), err.getvalue(), None


def test_after_a_rotation_the_old_key_is_needed_no_more(accounts, settings, monkeypatch):
    monkeypatch.setattr(rotate_encryption_keys, "BATCH", 2)
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    out, err, error = rotate()

    assert error is None
    assert err == ""
    assert "accounts.emailaccount.smtp_password: 5 encrypted again" in out
    assert "accounts.emailaccount.imap_password: 4 encrypted again" in out
    settings.ENCRYPTION_KEYS = [NEW]
    rows = EmailAccount.objects.order_by("pk")
    assert [row.smtp_password for row in rows] == [f"hunter-{number}" for number in range(5)]
    assert rows[0].imap_password == ""
    assert DKIMKey.objects.get().private_key == "the private key"


def test_a_second_run_changes_nothing(accounts, settings):
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    rotate()
    before = list(EmailAccount.objects.values_list("smtp_password_encrypted"))

    out, _, error = rotate()

    assert error is None
    assert "smtp_password: 0 encrypted again, 5 already under the newest key" in out
    assert list(EmailAccount.objects.values_list("smtp_password_encrypted")) == before


def test_a_missing_key_is_named_and_the_rest_is_done(accounts, settings):
    settings.ENCRYPTION_KEYS = ["a-key-that-was-lost-later"]
    lost = EmailAccount.objects.get(pk=accounts[2].pk)
    lost.smtp_password = "x"
    lost.save()
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    out, err, error = rotate()

    key_id = lost.smtp_password_encrypted.split(":")[1]
    assert f"accounts.emailaccount {lost.pk}: A stored secret needs the encryption key" in err
    assert key_id in err
    assert error == "1 secrets could not be read; all others are done."
    assert "smtp_password: 4 encrypted again" in out
    assert "1 unreadable" in out
    lost.refresh_from_db()
    assert lost.smtp_password_encrypted.split(":")[1] == key_id


def test_a_password_changed_meanwhile_is_kept(accounts, settings):
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    read_before = EmailAccount.objects.get(pk=accounts[0].pk)
    changed = EmailAccount.objects.get(pk=accounts[0].pk)
    changed.smtp_password = "new password"
    changed.save()

    outcome = Command().rotate_row(read_before, secret=vars(EmailAccount)["smtp_password"])

    assert outcome == "changed"
    assert EmailAccount.objects.get(pk=accounts[0].pk).smtp_password == "new password"


def test_no_secret_is_printed(accounts, settings):
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    said = "".join(str(part) for part in rotate())

    assert not any(word in said for word in ("hunter", "imap-", "private key", NEW, OLD))
