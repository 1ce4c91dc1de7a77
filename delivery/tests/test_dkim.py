"""Signatures, checked by another implementation."""

from base64 import b64decode
from datetime import UTC, datetime
from types import SimpleNamespace

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from common.addresses import Address
from delivery.dkim import Signer
from delivery.mime import Outgoing, OutgoingAttachment, build
from domains.dkim_keys import generate_ed25519, generate_rsa

ALGORITHMS = ["rsa-sha256", "ed25519-sha256"]
HEAD = b"From: a@x.test\r\nTo: b@y.test\r\nSubject: s\r\n"


@pytest.fixture(scope="module")
def pairs():
    return {"rsa-sha256": generate_rsa(), "ed25519-sha256": generate_ed25519()}


@pytest.fixture(scope="module")
def signers(pairs):
    return {
        algorithm: Signer(
            domain="x.test",
            selector=algorithm[:3],
            private_key_pem=pairs[algorithm].private_pem,
            algorithm=algorithm,
        )
        for algorithm in ALGORITHMS
    }


class Verifier(dkim.DKIM):
    """dkimpy, with the curve's arithmetic from cryptography instead of PyNaCl."""

    def verify_sig(self, sig, include_headers, sig_header, dnsfunc):
        if sig[b"a"] == b"rsa-sha256":
            return super().verify_sig(sig, include_headers, sig_header, dnsfunc)
        record = dnsfunc(sig[b"s"] + b"._domainkey." + sig[b"d"] + b".")
        assert b"; k=ed25519; " in record
        key = Ed25519PublicKey.from_public_bytes(b64decode(record.partition(b"p=")[2]))
        self.pk = SimpleNamespace(verify=lambda digest, signature: key.verify(signature, digest))
        self.keysize, self.ktag, self.seqtlsrpt = 256, b"ed25519", False
        return self.verify_sig_process(sig, include_headers, sig_header, dnsfunc)


@pytest.fixture(scope="module")
def verifies(pairs):
    zone = {
        f"{algorithm[:3]}._domainkey.x.test.": pair.public_record.encode()
        for algorithm, pair in pairs.items()
    }

    def verify(message, *, signature=0):
        try:
            return Verifier(message).verify(
                idx=signature, dnsfunc=lambda name, timeout=5: zone[name.decode()]
            )
        except (dkim.ValidationError, InvalidSignature):
            return False

    return verify


def built(**changes):
    fields = {
        "from_": Address("encomendas@x.test", "Alitools, Lda."),
        "to": (Address("ana@example.com", "Ana Gonçalves"),),
        "subject": "Encomenda",
        "message_id": "<1@x.test>",
        "date": datetime(2026, 1, 15, 10, 30, tzinfo=UTC),
        "text": "Obrigado!\n",
    }
    return build(Outgoing(**fields | changes))


SHAPES = {
    "plain": built(),
    "empty": built(text=""),
    "trailing blank lines": built(text="a\n\n\n\n"),
    "only blank lines": built(text="\n\n\n"),
    "long subject": built(subject="palavra comprida " * 60),
    "encoded subject": built(subject="São João — ação " * 30),
    "many recipients": built(cc=tuple(Address(f"c{n}@example.com", f"Ção {n}") for n in range(60))),
    "everything": built(
        html="<p>Olá</p>" * 900,
        reply_to=(Address("r@x.test"),),
        list_unsubscribe="https://hub.test/u/abc",
        headers=(("X-Order", "A  1"),),
        attachments=(OutgoingAttachment("a.bin", "application/pdf", b"\x00" * 500),),
    ),
    "no body at all": HEAD + b"\r\n",
    "a header only": HEAD,
    "body without its last CRLF": HEAD + b"\r\nbody",
    "odd white space": b"From:  a@x.test\t \r\nSubject:\r\n \t s \t t \r\n\r\n a \t b \r\n",
    "repeated headers": b"To: 1@y.test\r\nTo: 2@y.test\r\n" + HEAD + b"\r\nbody\r\n",
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_another_implementation_verifies_the_signature(shape, algorithm, signers, verifies):
    assert verifies(signers[algorithm].sign(SHAPES[shape]))


def test_both_signatures_of_one_message_verify(signers, verifies):
    message = signers["rsa-sha256"].sign(signers["ed25519-sha256"].sign(SHAPES["everything"]))

    assert verifies(message, signature=0)
    assert verifies(message, signature=1)


def test_signing_only_adds_short_lines_on_top(signers):
    message = SHAPES["everything"]

    signed = signers["rsa-sha256"].sign(message)

    added = signed.removesuffix(message)
    assert signed.endswith(message)
    assert added.startswith(b"DKIM-Signature: ")
    assert added.endswith(b"\r\n")
    assert max(map(len, added.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_retry_is_signed_with_the_same_bytes(algorithm, signers):
    signer = signers[algorithm]

    assert signer.sign(SHAPES["plain"]) == signer.sign(SHAPES["plain"])


@pytest.mark.parametrize(
    "change",
    [
        (b"Obrigado!", b"Obrigada!"),
        (b"Subject: Encomenda", b"Subject: Encomendas"),
        (b"<encomendas@x.test>", b"<evil@x.test>"),
        (b"<ana@example.com>", b"<eva@example.com>"),
        (b"<1@x.test>", b"<2@x.test>"),
        (b"10:30", b"10:31"),
        (b"text/plain", b"text/html"),
        (b"From:", b"From: evil@evil.test\r\nFrom:"),
    ],
)
def test_a_changed_message_does_not_verify(change, signers, verifies):
    signed = signers["rsa-sha256"].sign(SHAPES["plain"])
    assert change[0] in signed

    head, _, rest = signed.partition(b"\r\nFrom:")
    tampered = head + b"\r\n" + (b"From:" + rest).replace(*change)

    assert verifies(signed)
    assert not verifies(tampered)


def test_the_headers_of_one_click_unsubscribe_are_signed(signers):
    signed = signers["rsa-sha256"].sign(SHAPES["everything"])

    listed = b"".join(signed.partition(b" h=")[2].partition(b";")[0].split()).split(b":")
    assert {b"list-unsubscribe", b"list-unsubscribe-post"} <= set(listed)
    assert listed.count(b"from") == 2


def test_a_key_of_the_other_kind_is_refused(pairs):
    with pytest.raises(ValueError, match="rsa-sha256"):
        Signer(
            domain="x.test",
            selector="s",
            private_key_pem=pairs["ed25519-sha256"].private_pem,
            algorithm="rsa-sha256",
        )
