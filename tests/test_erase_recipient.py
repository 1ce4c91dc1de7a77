"""``manage.py erase_recipient``: a person's data is exported, then nothing of it is left."""

from __future__ import annotations

import json
import os
import stat
import time
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.test import Client
from django.utils import timezone

import logs.erasure
from ai_triage import analytics
from ai_triage.models import Draft, Feedback, TriageResult
from ai_triage.tests.counted import a_result
from common.erasing import Person
from conftest import client_of
from delivery.models import SendBatch, Suppression
from delivery.services import suppress
from inbox.models import InboundEmail
from inbox.services import receive
from inbox.tests.mails import a_bounce_of, a_mail
from logs import afterwards, transitions
from logs.afterwards import Report
from logs.links import unsubscribe_url
from logs.models import Attachment, EmailContent, EmailEvent, EmailLog, EventType
from logs.models.content import attachment_storage
from logs.tests.builders import NOON, an_email, claimed
from tenants.models import IdempotencyRecord
from tests.factories import make_template
from webhooks.events import Event
from webhooks.services import create_endpoint, publish

pytestmark = pytest.mark.django_db
ANA = "ana@example.com"
PERIOD = f"start_date=2026-01-01&end_date={date.today() + timedelta(days=1)}"
FIGURES = [
    f"/api/v1/analytics/delivery?{PERIOD}&group_by={name}"
    for name in ("day", "template", "account", "domain", "tag")
] + [f"/api/v1/analytics/summary?{PERIOD}"]


def erase(address=ANA, tenant="shop", **options) -> tuple[dict, str]:
    """The export, and what the command said it did."""
    out, said = StringIO(), StringIO()
    call_command("erase_recipient", address, tenant=tenant, stdout=out, stderr=said, **options)
    return json.loads(out.getvalue() or "{}"), said.getvalue()


def a_sent_email(tenant, **fields) -> EmailLog:
    given = {"status": "sent", "sent_at": NOON, "next_attempt_at": None}
    return an_email(tenant, **{**given, **fields})


def everything_stored(*, but=(Suppression,)) -> str:
    """All columns of all rows as one text, in small letters."""
    rows = [
        list(model._base_manager.values())
        for model in apps.get_models()
        if model not in but and model._meta.managed
    ]
    return json.dumps(rows, cls=DjangoJSONEncoder, default=str).casefold()


def age_files() -> list[Path]:
    files = [path for path in Path(attachment_storage().location).rglob("*") if path.is_file()]
    then = time.time() - 3600
    for path in files:
        os.utime(path, (then, then))
    return files


@pytest.fixture
def known_everywhere(tenant, api):
    """Ana in every table: mailed, opening, bouncing, writing, rejected."""
    content = {"html": "<p>Dear Ana Lopes</p>", "variables": {"name": "Ana Lopes"}}
    email = a_sent_email(
        tenant, to_address="Ana@example.com", to_name="Ana Lopes", content=content,
        subject="Ana Lopes, hi", own_variables={"name": "Ana Lopes"}, metadata={"who": "Ana Lopes"},
        user_agent="Lopes-Browser", ip_address="203.0.113.77", country="PT", opens_count=1,
        smtp_response="250 queued for <Ana@Example.com>", tags=["order"],
        cc_addresses=["boss@example.com"],
    )  # fmt: skip
    data = {"ip": "203.0.113.77", "user_agent": "Lopes-Browser", "url": "https://x.test/?m=ana"}
    EmailEvent.objects.create(tenant=tenant, email=email, type="opened", at=NOON, data=data)
    dialogue = {"transcript": ["> RCPT TO:<ana@example.com>"], "smtp_code": 250}
    EmailEvent.objects.create(tenant=tenant, email=email, type="sent", at=NOON, data=dialogue)
    afterwards.note(
        email, Report(EventType.BOUNCED, "Ana@example.com", at=NOON, reason=f"no {ANA}")
    )
    receive(a_mail("I am Ana Lopes"), tenant=tenant, at=NOON)
    receive(a_bounce_of(email.smtp_message_id, recipient=ANA), tenant=tenant, at=NOON)
    TriageResult.objects.all().delete()
    result = a_result(
        tenant, from_address=ANA, from_name="Ana Lopes", subject="Ana Lopes", body="I am Ana Lopes",
        reason="Ana Lopes asks", suggested_body="Dear Ana Lopes", raw_answer=ANA,
        headers={"From": ANA}, metadata={"custom_fields": {"name": "Ana Lopes"}},
    )  # fmt: skip
    Draft.objects.create(result=result, body="Dear Ana Lopes", by="boss", saved_at=NOON)
    Feedback.objects.create(result=result, action="approved", comment="Ana Lopes is right")
    rejected = [{"index": 0, "to_address": "ANA@example.com", "code": "duplicate", "detail": "…"}]
    SendBatch.objects.create(
        tenant=tenant, template=make_template(tenant), accepted=0, rejected=rejected
    )
    IdempotencyRecord.objects.create(
        tenant=tenant, key_digest="k", request_digest="r", status_code=202,
        answer={"tracking_id": "t", "to_address": ANA},
    )  # fmt: skip
    suppress(ANA, tenant=tenant, reason="unsubscribed", source=email)
    publish([Event(tenant.pk, "email.sent", NOON, {"to_address": ANA})])
    boss = User.objects.create_superuser("boss")
    LogEntry.objects.log_actions(
        boss.pk, Suppression.objects.all(), ADDITION, "by hand", single_object=True
    )
    age_files()
    return email


@pytest.fixture(autouse=True)
def _webhook(tenant):
    create_endpoint(tenant=tenant, url="https://shop.example/hook")


def test_all_is_exported_and_nothing_of_the_person_is_left(known_everywhere):
    exported, said = erase()

    (message,) = exported["messages"]
    assert message["to_address"] == "Ana@example.com"
    assert message["content"]["html"] == "<p>Dear Ana Lopes</p>"
    assert {one["type"] for one in message["events"]} == {"opened", "sent", "bounced"}
    assert len(exported["inbound"]) == 2
    assert exported["inbound"][0]["text"] == "I am Ana Lopes"
    assert exported["triage"][0]["body"] == "I am Ana Lopes"
    assert exported["suppressions"][0]["reason"] == "unsubscribed"
    stored = everything_stored()
    for trace in (ANA, "lopes", "203.0.113.77", "?m=ana"):
        assert trace not in stored
    assert "messages 1" in said
    assert all(b"I am Ana Lopes" not in path.read_bytes() for path in age_files())
    assert EmailEvent.objects.get(type="sent").data == {"smtp_code": 250}


def test_figures_are_what_they_were(known_everywhere, tenant, api):
    an_email(tenant)
    analytics.keep_up(at=timezone.now())
    before = [api.get(url).json() for url in FIGURES]
    assert before[0]["totals"]["bounced"] == before[0]["totals"]["opened"] == 1

    erase()
    call_command("rebuild_delivery_figures")
    call_command("rebuild_analytics")

    assert [api.get(url).json() for url in FIGURES] == before


def test_the_message_is_still_there_but_says_nothing(known_everywhere, api):
    erase()
    path = f"/api/v1/logs/{known_everywhere.tracking_id}"

    told = api.get(path).json()
    assert told["status"] == "bounced"
    assert told["to_address"].endswith("@erased.invalid")
    assert (told["subject"], told["user_agent"], told["ip_address"]) == ("", None, None)
    assert api.get(f"{path}/content").status_code == 410
    assert len(api.get(f"{path}/events").json()["results"]) == 4
    url = unsubscribe_url(known_everywhere.tracking_id).partition("/u/")[2]
    assert Client().get(f"/u/{url}").status_code == 200


def test_others_keep_what_is_theirs(tenant, other_tenant):
    others = [
        a_sent_email(tenant, to_address="mariana@example.com", smtp_response="ok"),
        a_sent_email(tenant, to_address="ana@example.com.br", smtp_response="ok"),
        a_sent_email(other_tenant, to_address=ANA, smtp_response="ok"),
    ]
    receive(a_mail("Hello", From="Mariana <mariana@example.com>"), tenant=tenant, at=NOON)
    receive(a_mail("Hello"), tenant=other_tenant, at=NOON)
    before = everything_stored()

    _exported, said = erase()

    assert "messages 0, copies 0, busy 0, inbound 0, triage 0" in said
    assert everything_stored() == before
    assert (
        EmailLog.objects.filter(pk__in=[one.pk for one in others], smtp_response="ok").count() == 3
    )


def test_letters_that_only_look_the_same_to_a_database_are_another_person(tenant):
    a_sent_email(tenant, to_address="aná@example.com")

    erase()

    assert EmailLog.objects.get().to_address == "aná@example.com"


def test_what_waits_is_cancelled_and_what_goes_out_now_is_left_to_a_second_call(tenant):
    going = an_email(tenant)
    claimed(going)
    waiting = an_email(tenant)

    with pytest.raises(CommandError, match="being sent"):
        erase()

    waiting.refresh_from_db()
    going.refresh_from_db()
    assert (waiting.status, waiting.is_erased) == ("cancelled", True)
    assert (going.status, going.to_address) == ("sending", ANA)
    EmailLog.objects.filter(pk=going.pk).update(status="sent")
    erase()
    assert ANA not in everything_stored()


def test_a_person_in_copy_goes_and_the_message_stays(tenant):
    sent = a_sent_email(
        tenant, to_address="rui@example.com", cc_addresses=["Ana@example.com", "eva@example.com"],
        cc_names={"Ana@example.com": "Ana"}, bcc_addresses=[ANA], content={"text": "Hello Rui"},
        recipient_outcomes={"Ana@example.com": {"status": "sent"}},
    )  # fmt: skip
    event = EmailEvent.objects.create(
        tenant=tenant, email=sent, type="sent", at=NOON,
        data={"transcript": [f"> RCPT TO:<{ANA}>", "> RCPT TO:<rui@example.com>"]},
    )  # fmt: skip
    waiting = an_email(tenant, to_address="rui@example.com", cc_addresses=[ANA, "eva@example.com"])

    exported, said = erase()

    assert [one["to_address"] for one in exported["messages"]] == ["rui@example.com"] * 2
    assert "copies 2" in said
    sent.refresh_from_db()
    event.refresh_from_db()
    waiting.refresh_from_db()
    assert sent.cc_addresses[1] == "eva@example.com"
    assert sent.cc_addresses[0].endswith("@erased.invalid")
    assert (sent.content.text, sent.to_address) == ("Hello Rui", "rui@example.com")
    assert "rui@example.com" in event.data["transcript"][1]
    assert (waiting.status, waiting.cc_addresses) == ("queued", ["eva@example.com"])
    assert ANA not in everything_stored()


def test_what_a_batch_says_to_all_stays_with_the_others(tenant, api):
    content = EmailContent.objects.create(tenant=tenant, is_bulk=True, text="News", subject="News")
    emails = [a_sent_email(tenant, to_address=one) for one in (ANA, "rui@example.com")]
    EmailLog.objects.update(content=content, own_variables={"name": "Ana"})

    erase()

    content.refresh_from_db()
    assert (content.text, content.removed_at) == ("News", None)
    own, others = (EmailLog.objects.get(pk=email.pk) for email in emails)
    assert (own.own_variables, others.own_variables) == ({}, {"name": "Ana"})
    assert api.get(f"/api/v1/logs/{own.tracking_id}/content").status_code == 410
    assert api.get(f"/api/v1/logs/{others.tracking_id}/content").status_code == 200


def test_a_message_that_failed_is_not_sent_to_the_pseudonym(tenant, api):
    email = a_sent_email(tenant, status="failed", sent_at=None)
    erase()

    refused = api.post(f"/api/v1/logs/{email.tracking_id}/retry")

    assert refused.status_code == 409
    assert refused.json()["errors"][0]["code"] == "gone"


def test_files_of_the_person_go(tenant):
    email = a_sent_email(tenant)
    name = attachment_storage().keep(f"{tenant.pk}/ab/bill", b"bill")
    Attachment.objects.create(
        part_of=email.content, filename="Ana.pdf", content_type="application/pdf", size_bytes=4,
        sha256="ab", path=name,
    )  # fmt: skip
    age_files()

    erase()

    assert not Path(attachment_storage().path(name)).exists()
    assert not Attachment.objects.exists()


def test_mail_that_waits_for_its_verdict_gets_none(tenant):
    waiting = a_result(
        tenant, from_address="ANA@example.com", status="processing", processed_at=None, body="Hi",
        lease_until=timezone.now(),
    )  # fmt: skip

    erase()

    waiting.refresh_from_db()
    assert (waiting.status, waiting.error_code, waiting.body) == ("failed", "erased", "")
    assert (waiting.attempt, waiting.lease_until) == (1, None)


def test_a_mail_of_somebody_else_loses_the_address_only(tenant):
    raw = a_mail("Hello shop", From="Rui <rui@example.com>", Cc=f"Ana <{ANA}>")
    receive(raw, tenant=tenant, at=NOON)

    erase()

    mail = InboundEmail.objects.get()
    assert (mail.text, mail.from_address) == ("Hello shop", "rui@example.com")
    assert mail.cc_addresses[0].endswith("@erased.invalid")


def test_suppressions_stay_unless_they_are_to_go_too(tenant, api):
    suppress("Ana@Example.com", tenant=tenant)

    erase()
    assert api.get(f"/api/v1/suppressions/{ANA}").status_code == 200
    exported, said = erase(with_suppressions=True)

    assert exported["suppressions"][0]["address"] == ANA
    assert "suppressions 1" in said
    assert api.get(f"/api/v1/suppressions/{ANA}").status_code == 404


def test_the_export_is_a_file_for_its_owner_and_never_replaced(known_everywhere, tmp_path):
    file = tmp_path / "ana.json"

    printed, _said = erase(export=str(file))

    assert printed == {}
    assert json.loads(file.read_text())["messages"][0]["to_name"] == "Ana Lopes"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(CommandError, match="can't be written: File exists"):
        erase(export=str(file))


def test_nothing_is_erased_where_the_export_can_not_be_written(known_everywhere, tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        erase(export=str(tmp_path / "nowhere" / "ana.json"))

    known_everywhere.refresh_from_db()
    assert known_everywhere.to_name == "Ana Lopes"


def test_a_call_that_was_cut_off_is_made_again(known_everywhere, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(logs.erasure, "_empty_own_contents", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erase()

    erase()

    stored = everything_stored()
    assert ANA not in stored
    assert "lopes" not in stored


def test_many_messages_go_in_batches(tenant, monkeypatch):
    for module in (logs.erasure, logs.retention):
        monkeypatch.setattr(module, "BATCH", 3)
    monkeypatch.setattr(logs.erasure, "SCANNED", 3)
    for number in range(8):
        a_sent_email(tenant)
        a_sent_email(tenant, to_address=f"r{number}@example.com", bcc_addresses=[ANA])

    exported, said = erase()

    assert len(exported["messages"]) == 16
    assert "messages 8, copies 8" in said
    assert ANA not in everything_stored()


def test_staff_who_mailed_themselves_are_erased_as_who_cancelled_too(tenant):
    later = NOON + timedelta(days=3)
    email = an_email(tenant, to_address=ANA, send_at=later, next_attempt_at=later)
    transitions.retry(email, at=NOON, by=ANA)
    transitions.cancel(email, at=NOON, by=ANA)

    exported, _said = erase()

    assert [one["data"]["by"] for one in exported["messages"][0]["events"]] == [ANA, ANA]
    assert [one.data for one in email.events.order_by("pk")] == [
        {"send_at": later.isoformat()},
        {},
    ]
    assert ANA not in everything_stored()


def test_an_erased_message_takes_part_in_nothing_that_comes_later(known_everywhere, tenant):
    erase()
    email = EmailLog.objects.get()

    report = Report(EventType.COMPLAINED, ANA, at=NOON)

    assert afterwards.note(email, report)  # a copy's, as far as anybody can tell
    email.refresh_from_db()
    assert email.status == "bounced"
    with pytest.raises(transitions.Conflict):
        transitions.cancel(email, at=NOON)


@pytest.mark.parametrize(
    ("address", "slug", "said"),
    [
        ("nobody", "shop", "@-sign"),
        (ANA, "nowhere", "There is no tenant nowhere"),
    ],
)
def test_a_bad_call_is_told(known_everywhere, address, slug, said):
    with pytest.raises(CommandError, match=said):
        erase(address, tenant=slug)


def test_a_new_message_to_the_address_is_accepted_and_of_its_own(tenant, account):
    a_sent_email(tenant)
    erase()
    given = {"to_address": ANA, "from_account": account.email_address, "subject": "A", "text": "B"}

    answer = client_of(tenant).post("/api/v1/emails/send", given, format="json")

    assert answer.status_code == 202
    assert answer.json()["to_address"] == ANA


def test_nobody_is_mailed_under_a_pseudonym(tenant, account, api):
    given = {
        "to_address": Person(ANA).pseudonym, "from_account": account.email_address,
        "subject": "A", "text": "B",
    }  # fmt: skip

    refused = api.post("/api/v1/emails/send", given, format="json")

    assert refused.status_code == 422
