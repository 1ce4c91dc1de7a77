"""Bounces in the words of many mail servers, and mail of people that looks like one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from inbox import automatic, prose, reading
from inbox.tests.mails import a_mail, a_report

ANA = "ana@example.com"
HARD = "hard"
SAMPLES = Path(__file__).parent / "samples"
PUBLIC = SAMPLES / "flufl.bounce"


@dataclass(frozen=True)
class Form:
    """How one program writes, in short: made up after its real reports."""

    server: str
    sender: str
    subject: str
    text: str
    verdict: str
    headers: dict[str, str]


def _forms() -> list[Form]:
    stored = json.loads((SAMPLES / "forms.json").read_text())
    return [Form(**{**one, "text": "\n".join(one["text"])}) for one in stored]


FORMS = _forms()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.server)
def test_a_bounce_is_understood_in_the_words_of_its_server(form):
    fields = {"From": form.sender, "Subject": form.subject, **form.headers}

    report = prose.read_any(reading.read(a_mail(form.text.replace("\n", "\r\n"), **fields)))

    assert report is not None
    (one,) = report.affected
    assert ANA in one.addresses
    assert (one.bounce_type or report.kind) == form.verdict


def test_at_least_95_of_100_public_samples_are_read_right():
    expected = json.loads((PUBLIC / "expected.json").read_text())

    wrong = [name for name, right in expected.items() if not _is_right(name, **right)]

    assert len(expected) > 100
    assert len(wrong) <= len(expected) * 0.05, wrong


def _is_right(name: str, *, recipients: list[str], verdict: str) -> bool:
    """Whether all recipients were found, nobody else, and what became of each."""
    mail = reading.read((PUBLIC / name).read_bytes())
    report = prose.read_any(mail)
    if report is None:
        return automatic.mail_kind(mail) == verdict
    found = [{one.lower() for one in affected.addresses} for affected in report.affected]
    is_somebody_else = any(one and not one & set(recipients) for one in found)
    verdicts = {one.bounce_type or one.kind for one in report.affected}
    return set(recipients) <= set().union(*found) and not is_somebody_else and verdicts == {verdict}


def test_a_report_without_an_explanation_is_judged_by_its_words():
    """As of KDDI: 5.0.0 and no diagnosis in the fields, the reason in the text."""
    group = {"Final-Recipient": f"rfc822; {ANA}", "Action": "failed", "Status": "5.0.0"}
    said = "The user(s) account is disabled.\r\n\r\n<ana@example.com>: 550 user unknown"

    report = prose.read_any(reading.read(a_report(returned="To: x", groups=[group], prose=said)))

    (one,) = report.affected
    assert (one.addresses, one.bounce_type, one.status_code) == ((ANA,), HARD, "5.0.0")
    assert one.reason


def test_a_structure_without_recipients_takes_them_from_the_words():
    said = f"The following recipients did not receive this message:\r\n\r\n<{ANA}>"
    group = {"Action": "failed", "Status": "5.1.1"}

    report = prose.read_any(reading.read(a_report(returned="To: x", groups=[group], prose=said)))

    assert [(one.addresses, one.bounce_type) for one in report.affected] == [((ANA,), HARD)]


BOUNCE_TEXT = FORMS[0].text
PEOPLE = {
    "asks about a bounce": {"Subject": "Undelivered mail?", "Return-Path": "<ana@example.com>"},
    "forwards one": {"Subject": "Fwd: Undeliverable: Order", "Return-Path": "<ana@example.com>"},
    "answers one": {
        "Subject": "Re: Mail delivery failed: returning message to sender",
        "In-Reply-To": "<x@shop.test>",
    },
    "writes about a failed delivery": {"Subject": "Delivery problem with my parcel"},
    "is a postmaster": {
        "From": "Postmaster <postmaster@example.com>",
        "Subject": "Your mail to us",
    },
    "has a name like a system": {"From": "Mailer Daemonson <m.daemonson@example.com>"},
    "was not at home": {"Subject": "Failure notice from your courier"},
}


@pytest.mark.parametrize("who", PEOPLE)
def test_a_person_is_never_taken_for_a_mail_server(who):
    mail = reading.read(a_mail(f"I got this, what is it?\r\n\r\n{BOUNCE_TEXT}", **PEOPLE[who]))

    assert prose.read_any(mail) is None
    assert automatic.mail_kind(mail) == "human"


def test_an_address_longer_than_any_is_none():
    long = "a@" + ".".join(["b" * 60] * 8)
    text = f"Could not be delivered to:\r\n\r\n<{long}>: 550 5.1.1 no such user\r\n"

    report = prose.read_any(reading.read(a_mail(text, From="MAILER-DAEMON@mx.test")))

    assert [one.addresses for one in report.affected] == [()]
