"""A secret on a model."""

from __future__ import annotations

import pytest
from django.core import serializers

from accounts.models import EmailAccount
from common.fields import SECRETS
from common.keyring import SecretUnreadable
from domains.models import Domain

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(tenant):
    domain = Domain.objects.create(tenant=tenant, name="shop.example")
    return make_account(domain, "a@shop.example", "hunter2")


def make_account(domain, address, password):
    row = EmailAccount(domain=domain, email_address=address, smtp_server="127.0.0.1")
    row.smtp_password = password
    row.save()
    return row


def test_a_secret_is_read_back_from_the_database(account):
    assert EmailAccount.objects.get().smtp_password == "hunter2"


def test_the_column_holds_no_plain_text(account):
    assert account.smtp_password_encrypted.startswith("v1:")
    assert "hunter2" not in account.smtp_password_encrypted


def test_an_empty_secret_stays_empty(account):
    account.smtp_password = ""

    assert account.smtp_password_encrypted == ""
    assert account.smtp_password == ""


def test_swapped_ciphertexts_of_two_rows_do_not_decrypt(account):
    other = make_account(account.domain, "b@shop.example", "other")
    first, second = account.smtp_password_encrypted, other.smtp_password_encrypted
    EmailAccount.objects.filter(pk=account.pk).update(smtp_password_encrypted=second)
    EmailAccount.objects.filter(pk=other.pk).update(smtp_password_encrypted=first)

    for row in EmailAccount.objects.all():
        with pytest.raises(SecretUnreadable, match="another row"):
            _ = row.smtp_password


def test_a_ciphertext_moved_to_another_column_does_not_decrypt(account):
    account.imap_password_encrypted = account.smtp_password_encrypted

    with pytest.raises(SecretUnreadable, match="another row"):
        _ = account.imap_password


def test_a_secret_is_in_no_repr_and_no_dump(account):
    shown = repr(account) + str(account) + repr(vars(account))

    assert "hunter2" not in shown + serializers.serialize("json", [account])


def test_every_secret_of_the_product_is_known_to_the_rotation():
    known = {(model._meta.label, name) for model, name in SECRETS}

    assert known >= {
        ("accounts.EmailAccount", "smtp_password"),
        ("accounts.EmailAccount", "imap_password"),
        ("domains.DKIMKey", "private_key"),
    }
