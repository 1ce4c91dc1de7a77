"""Secrets at rest."""

from __future__ import annotations

import base64

import pytest
from django.core.exceptions import ImproperlyConfigured

from common import keyring
from common.keyring import SecretUnreadable

OLD, NEW = "the-old-encryption-key", "the-new-encryption-key"
ROW = "accounts.emailaccount:smtp_password_encrypted:1"


@pytest.fixture(autouse=True)
def _one_key(settings):
    settings.ENCRYPTION_KEYS = [OLD]


@pytest.mark.parametrize("plain", ["hunter2", "pässwörd 🔑", "a\0b", "x" * 5000, " "])
def test_what_was_encrypted_is_read_back(plain):
    assert keyring.decrypt(keyring.encrypt(plain, identity=ROW), identity=ROW) == plain


def test_the_stored_text_names_its_key_and_hides_the_secret(settings):
    stored = keyring.encrypt("hunter2", identity=ROW)

    version, key_id, body = stored.split(":")
    assert version == "v1"
    assert len(key_id) == 8
    assert b"hunter2" not in base64.b64decode(body)
    assert stored != keyring.encrypt("hunter2", identity=ROW)
    assert OLD not in stored


def test_a_new_key_in_front_leaves_old_secrets_readable(settings):
    old = keyring.encrypt("hunter2", identity=ROW)
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    fresh = keyring.encrypt("hunter2", identity=ROW)

    assert keyring.decrypt(old, identity=ROW) == "hunter2"
    assert keyring.needs_rotation(old)
    assert not keyring.needs_rotation(fresh)
    settings.ENCRYPTION_KEYS = [NEW]
    assert keyring.decrypt(fresh, identity=ROW) == "hunter2"


def test_a_key_that_left_the_ring_is_named(settings):
    stored = keyring.encrypt("hunter2", identity=ROW)
    settings.ENCRYPTION_KEYS = [NEW]

    with pytest.raises(SecretUnreadable, match=f"needs the encryption key {stored[3:11]}"):
        keyring.decrypt(stored, identity=ROW)


def test_a_secret_moved_to_another_row_is_refused():
    stored = keyring.encrypt("hunter2", identity=ROW)

    with pytest.raises(SecretUnreadable, match="another row"):
        keyring.decrypt(stored, identity=ROW.replace(":1", ":2"))


def test_a_wrong_key_under_the_right_id_is_refused(settings):
    stored = keyring.encrypt("hunter2", identity=ROW)
    settings.ENCRYPTION_KEYS = [NEW]
    forged = keyring.encrypt("x", identity=ROW)[:11] + stored[11:]

    with pytest.raises(SecretUnreadable, match="changed or cut"):
        keyring.decrypt(forged, identity=ROW)


def test_a_flipped_bit_anywhere_is_refused():
    head, _, body = keyring.encrypt("hunter2", identity=ROW).rpartition(":")
    raw = base64.b64decode(body)

    for place in range(len(raw)):
        bent = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(SecretUnreadable):
            keyring.decrypt(f"{head}:{base64.b64encode(bent).decode()}", identity=ROW)


@pytest.mark.parametrize(
    "stored", ["hunter2", "v1:", "v1:abc", "v2:12345678:AAAA", "v1::AAAA", "v1:12345678:é", ":::"]
)
def test_what_is_no_secret_of_ours_is_refused_in_words(stored):
    with pytest.raises(SecretUnreadable):
        keyring.decrypt(stored, identity=ROW)


@pytest.mark.parametrize("cut", [1, 10, 40, 80])
def test_a_cut_secret_is_refused(cut):
    with pytest.raises(SecretUnreadable):
        keyring.decrypt(keyring.encrypt("hunter2", identity=ROW)[:-cut], identity=ROW)


def test_without_keys_nothing_is_stored_in_plain_text(settings):
    settings.ENCRYPTION_KEYS = []

    with pytest.raises(ImproperlyConfigured, match="ENCRYPTION_KEYS is empty"):
        keyring.encrypt("hunter2", identity=ROW)


def test_the_ring_shows_no_key_in_its_repr(settings):
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    text = repr(keyring.ring())

    assert NEW not in text
    assert OLD not in text
