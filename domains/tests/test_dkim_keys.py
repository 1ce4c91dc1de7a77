"""New keys come with the record that publishes them."""

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from domains.dkim_keys import generate_ed25519, generate_rsa, txt_strings


def test_the_rsa_record_publishes_the_2048_bit_key_that_signs():
    pair = generate_rsa()

    tags = dict(tag.split("=", 1) for tag in pair.public_record.split("; "))
    private = load_pem_private_key(pair.private_pem.encode(), password=None)
    assert list(tags) == ["v", "k", "p"]
    assert (tags["v"], tags["k"]) == ("DKIM1", "rsa")
    assert private.key_size == 2048
    assert load_der_public_key(b64decode(tags["p"])) == private.public_key()


def test_the_ed25519_record_publishes_the_bare_32_octets():
    pair = generate_ed25519()

    start, _, published = pair.public_record.rpartition("p=")
    private = load_pem_private_key(pair.private_pem.encode(), password=None)
    assert start == "v=DKIM1; k=ed25519; "
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert b64decode(published) == raw


def test_two_keys_are_never_the_same():
    assert generate_ed25519() != generate_ed25519()


def test_the_private_key_is_not_in_what_gets_logged():
    pair = generate_ed25519()

    assert pair.private_pem.splitlines()[1] not in repr(pair)


@pytest.mark.parametrize(("length", "sizes"), [(0, []), (255, [255]), (256, [255, 1])])
def test_a_record_is_cut_at_255_bytes(length, sizes):
    strings = txt_strings("x" * length)

    assert [len(string) for string in strings] == sizes


def test_the_pieces_of_a_record_join_to_the_record():
    record = generate_rsa().public_record

    assert "".join(txt_strings(record)) == record
