"""P15: reports come back by IMAP, and workers that are killed while they read store mail once."""

from __future__ import annotations

import pytest

from inbox.tests.mails import a_mail
from tests.faults.form import size
from tests.installation import Installation
from tests.servers.mail_server import ALICE, BOB, BOUNCE, GHOST
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(600)]


@pytest.fixture
def reading(runtime, mail_server, monkeypatch):
    """An installation that sends through Postfix and reads the bounce mailbox over TLS."""
    installation: Installation = runtime.installation
    monkeypatch.setitem(installation.env, "SSL_CERT_FILE", str(mail_server.ca_file))
    monkeypatch.setitem(installation.env, "MAILBOX_SECONDS", "2")
    with installation.web():
        installation.account(
            ALICE,
            port=mail_server.plain_port,
            imap_server=mail_server.host,
            imap_port=mail_server.imaps_port,
            imap_username=BOUNCE,
            imap_password=mail_server.passwords[BOUNCE],
            bounce_address=BOUNCE,
            reads_mail=True,
        )
        yield installation


def send(installation: Installation, to: str) -> str:
    body = {"from_account": ALICE, "to_address": to, "subject": "Order", "text": "Thank you."}
    return installation.made("/emails/send", body, status=202)["tracking_id"]


def is_status(installation: Installation, tracking_id: str, wanted: str) -> bool:
    return installation.message(tracking_id)["status"] == wanted


def stored(runtime) -> list[int]:
    """The numbers in the subjects of what was stored from the mailbox."""
    rows = runtime.execute("SELECT subject FROM inbox_inboundemail WHERE kind = 'human'")
    return sorted(int(subject) for (subject,) in rows)


def a_numbered(number: int) -> bytes:
    return a_mail(f"Mail {number}", Subject=str(number), Message_ID=f"<k{number}@example.com>")


def test_reports_by_imap_and_workers_killed_while_they_read(runtime, reading, mail_server):
    with reading.worker():
        bounced, delivered = send(reading, GHOST), send(reading, BOB)
        until(lambda: is_status(reading, bounced, "bounced"), timeout=90, what="bounced")
        until(lambda: is_status(reading, delivered, "delivered"), timeout=90, what="delivered")

    (entry,) = reading.call("GET", f"/suppressions?search={GHOST}").json()["results"]
    assert (entry["reason"], entry["source"]) == ("hard_bounce", bounced)
    again = {"from_account": ALICE, "to_address": GHOST, "subject": "Hi", "text": "Hi"}
    refused = reading.call("POST", "/emails/send", again)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "suppressed")

    mails, kills = size(90, long=1000), size(2, long=10)
    mail_server.put(BOUNCE, *map(a_numbered, range(mails)))
    for kill in range(kills):
        enough = mails * kill // (kills + 1)
        read_now(runtime)
        with reading.worker(name=f"beat{kill}") as worker:
            until(
                lambda least=enough: len(stored(runtime)) > least,
                timeout=60,
                what=f"more than {enough} mails",
            )
            worker.kill()
    read_now(runtime)
    with reading.worker(name="beat"):
        until(lambda: len(stored(runtime)) >= mails, timeout=90, what="all mails")
        mail_server.put(BOUNCE, a_numbered(mails))
        until(lambda: len(stored(runtime)) > mails, timeout=90, what="a mail after them")

    assert stored(runtime) == list(range(mails + 1))


def read_now(runtime) -> None:
    """What the end of the killed reader's lease would do some minutes later."""
    runtime.execute(
        "UPDATE inbox_mailbox SET leased_until = NULL, next_read_at = '2020-01-01 00:00:00'"
    )
