"""What programs sent, and what no program may answer."""

from __future__ import annotations

import pytest

from inbox import automatic
from inbox.kinds import Kind, NeverReply
from inbox.mime import Headers

NULL = {"Return-Path": "<>"}


def kind(headers: dict[str, object], subject: str = "Hello", sender: str = "ana@example.com"):
    return automatic.kind_of(Headers.of(headers), subject=subject, sender=sender)


@pytest.mark.parametrize(
    ("headers", "subject"),
    [
        ({"Auto-Submitted": "auto-replied"}, "Hello"),
        ({"auto-submitted": "auto-generated (by cron)"}, "Hello"),
        ({"X-Autoreply": "yes"}, "Hello"),
        ({"X-Autorespond": "x"}, "Hello"),
        ({"Precedence": "auto_reply"}, "Hello"),
        ({"X-Apple-Action": "VACATION/test"}, "Hello"),
        ({"X-POST-MessageClass": "9; Autoresponder"}, "Hello"),
        ({}, "Automatic reply: My order"),
        ({}, "[EXT] Out of Office: My order"),
        ({}, "Resposta automática: Encomenda"),
        ({}, "Fora do escritório"),
        ({}, "Respuesta automática: Pedido"),
        ({}, "Fuera de la oficina Re: x"),
        ({}, "Automatische Antwort: Bestellung"),
        ({}, "Abwesenheitsnotiz: x"),
        ({}, "Réponse automatique : commande"),
        ({}, "Absence du bureau"),
        (NULL, "Férias até 30 de agosto"),
        ({"X-Auto-Response-Suppress": "All"}, "Away until Monday"),
        (NULL, "Ausente: Re: Pedido"),
        (NULL, "Urlaub bis 3.1."),
    ],
)
def test_an_automatic_reply_is_known_by_sure_signs(headers, subject):
    assert kind(headers, subject) == Kind.AUTO_REPLY


@pytest.mark.parametrize(
    ("headers", "subject"),
    [
        ({}, "My order"),
        ({"Auto-Submitted": "no"}, "My order"),
        ({}, "Re: Automatic reply: My order"),
        ({}, "Férias em Agosto, dúvida sobre entrega"),
        ({}, "Vacation rental question"),
        ({"X-Auto-Response-Suppress": "OOF"}, "My order"),
        ({"List-Id": "<l.example.com>", "Precedence": "list"}, "A question to the list"),
        ({}, "Please confirm your delivery address for order 5"),
        ({}, "Automatic doors for sale"),
    ],
)
def test_a_person_is_not_taken_for_a_program(headers, subject):
    assert kind(headers, subject) == Kind.HUMAN


@pytest.mark.parametrize(
    ("headers", "subject", "sender"),
    [
        ({"X-Delivery-Agent": "TMDA/1.1.12"}, "x", "ana@example.com"),
        (NULL, "Please confirm your message", "ana@example.com"),
        ({}, "Sender verification required", "verify@boxbe.com"),
        (NULL, "Confirmação de envio: pedido", "ana@example.com"),
    ],
)
def test_a_challenge_is_known(headers, subject, sender):
    assert kind(headers, subject, sender) == Kind.CHALLENGE


def why(headers: dict[str, object] | None = None, **given):
    values = {"kind": Kind.HUMAN, "subject": "Hello", "senders": ["ana@example.com"]} | given
    return automatic.why_never(Headers.of(headers or {}), **values)


@pytest.mark.parametrize(
    ("headers", "given", "reason"),
    [
        ({}, {"kind": Kind.BOUNCE}, NeverReply.REPORT),
        ({}, {"kind": Kind.COMPLAINT}, NeverReply.REPORT),
        ({}, {"kind": Kind.CHALLENGE}, NeverReply.CHALLENGE),
        ({}, {"kind": Kind.QUARANTINED}, NeverReply.QUARANTINED),
        ({"Content-Type": "Multipart/Report; x=y"}, {}, NeverReply.REPORT),
        ({"Auto-Submitted": "auto-generated"}, {}, NeverReply.AUTO_SUBMITTED),
        ({"X-Autoreply": "yes"}, {}, NeverReply.AUTO_RESPONDER),
        ({}, {"subject": "Automatic reply: x"}, NeverReply.AUTO_RESPONDER),
        ({"X-Auto-Response-Suppress": "OOF, DR"}, {}, NeverReply.AUTO_RESPONSE_SUPPRESS),
        ({"Precedence": "Bulk"}, {}, NeverReply.PRECEDENCE),
        ({"Precedence": "junk"}, {}, NeverReply.PRECEDENCE),
        ({"Precedence": "list"}, {}, NeverReply.PRECEDENCE),
        ({"List-Unsubscribe": "<https://x.test>"}, {}, NeverReply.LIST),
        ({"list-id": "<l.x.test>"}, {}, NeverReply.LIST),
        ({"Return-Path": "<>"}, {}, NeverReply.NULL_RETURN_PATH),
        ({"Return-Path": " <> "}, {}, NeverReply.NULL_RETURN_PATH),
        ({"Received": ["from a"] * 26}, {}, NeverReply.LOOP),
        ({}, {"senders": []}, NeverReply.NO_SENDER),
        ({}, {"is_own": True}, NeverReply.OWN_ADDRESS),
        ({}, {"is_addressed": False}, NeverReply.NOT_ADDRESSED),
    ],
)
def test_each_reason_never_to_answer_is_named(headers, given, reason):
    assert why(headers, **given) == reason


@pytest.mark.parametrize(
    "name",
    [
        "noreply", "no-reply", "No_Reply", "donotreply", "do-not-reply", "nao-responda",
        "naoresponda", "no.responder", "ne-pas-repondre", "MAILER-DAEMON", "postmaster",
        "list-request", "owner-list", "list-owner", "list-bounces", "bounce+abc", "noreply-orders",
    ],
)  # fmt: skip
def test_an_address_that_nobody_reads_is_never_answered(name):
    assert why(senders=["ana@example.com", f"{name}@x.test"]) == NeverReply.ROBOT_SENDER


@pytest.mark.parametrize("name", ["ana", "noreen", "nora.reply", "bouncer", "request", "owner"])
def test_a_persons_address_may_be_answered(name):
    assert why(senders=[f"{name}@x.test"]) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "no"},
        {"X-Auto-Response-Suppress": "None"},
        {"Precedence": "first-class"},
        {"Received": ["from a"] * 25},
        {"Return-Path": "<ana@example.com>"},
    ],
)
def test_a_persons_mail_may_be_answered(headers):
    assert why(headers) is None
