"""From a row to signed bytes."""

from __future__ import annotations

import email as parser
import re
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import policy
from email.utils import parsedate_to_datetime
from html import unescape
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import F, prefetch_related_objects
from django.utils import timezone

from common.smtp import opening
from common.tests.smtp_server import ScriptedServer
from delivery import building, kept_files
from delivery.bulk import prepare_bulk
from delivery.kept_files import KeptFiles
from delivery.submission import BulkRecipient, read_bulk
from delivery.tests.sending import ANA, account_at, drained, queue
from delivery.tests.test_dkim import Verifier
from domains.dkim_keys import generate_ed25519, generate_rsa
from domains.models import DKIMKey
from logs.links import click_urls, open_url, unsubscribe_url
from logs.models import EmailLog
from logs.models.content import attachment_storage
from tests.factories import make_template
from tests.servers.mail_server import ALICE

pytestmark = pytest.mark.django_db(transaction=True)
RECORDS = {"rsa": generate_rsa, "ed25519": generate_ed25519}


@pytest.fixture
def account(tenant):
    with ScriptedServer() as server:
        yield account_at(server, tenant=tenant, display_name="The Shop")


def read(data: bytes):
    return parser.message_from_bytes(data, policy=policy.default)


def built(email: EmailLog):
    return read(building.build_message(EmailLog.objects.get(pk=email.pk), signers=[]))


def make_key(account, algorithm: str, **fields) -> DKIMKey:
    pair = RECORDS[algorithm]()
    key = DKIMKey(domain=account.domain, selector=algorithm, algorithm=algorithm, **fields)
    key.private_key, key.public_record = pair.private_pem, pair.public_record
    key.save()
    return key


def test_a_message_says_all_that_its_sender_asked_for(account):
    email = queue(
        account,
        to_address="Ana Silva <ana@example.com>",
        cc=["Bob <bob@example.com>"],
        bcc=["secret@example.com"],
        reply_to=["Help <help@shop.test>"],
        subject="Olá",
        html="<p>Olá <img src='cid:logo'></p>",
        text="Olá",
        headers={"X-Order": "A-1"},
        attachments=[
            {"filename": "a.txt", "content": "aGk=", "content_type": "text/plain"},
            {
                "filename": "logo.png",
                "content": "aGk=",
                "content_type": "image/png",
                "content_id": "logo",
            },
        ],
    )

    message = built(email)

    assert message["From"] == "The Shop <shop@shop.test>"
    assert message["To"] == "Ana Silva <ana@example.com>"
    assert message["Cc"] == "Bob <bob@example.com>"
    assert message["Reply-To"] == "Help <help@shop.test>"
    assert (message["Subject"], message["X-Order"]) == ("Olá", "A-1")
    assert message["Message-ID"] == email.smtp_message_id
    assert parsedate_to_datetime(message["Date"]) == email.queued_at.replace(microsecond=0)
    assert "secret" not in message.as_string()
    assert message["List-Unsubscribe"] is None
    (file,) = message.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("a.txt", "hi")
    (html,) = (part for part in message.walk() if part.get_content_type() == "text/html")
    assert html.get_content().startswith("<p>Olá")


def test_a_bulk_message_is_the_recipients_own_and_can_be_unsubscribed(account, tenant):
    make_template(tenant, slug="news", html="<p>{{ name }}: {{ unsubscribe_url }}</p>")
    bulk = read_bulk(
        {
            "template_id": "news",
            "from_account": account.email_address,
            "recipient_list": [BulkRecipient(0, ANA, {"name": "Ana"})],
            "variables_global": {"number": 1, "name": "you"},
        },
        now=timezone.now(),
    )
    with transaction.atomic():
        prepare_bulk(bulk, tenant=tenant, mode="live").store()
    email = EmailLog.objects.get()

    message = built(email)

    assert message["List-Unsubscribe"] == f"<{unsubscribe_url(email.tracking_id)}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"Ana: {unsubscribe_url(email.tracking_id)}" in message.get_body().get_content()


def bulk(account, *, names, **fields) -> list[EmailLog]:
    """Claimed messages of one batch, as a drain holds them: what they share is loaded once."""
    recipients = [
        BulkRecipient(index, f"{name}@example.com", {"name": name})
        for index, name in enumerate(names)
    ]
    request = {
        "template_id": "news",
        "from_account": account.email_address,
        "recipient_list": recipients,
        **fields,
    }
    with transaction.atomic():
        batch = prepare_bulk(
            read_bulk(request, now=timezone.now()), tenant=account.tenant, mode="live"
        ).store()
    emails = list(EmailLog.objects.filter(batch_id=batch.batch.public_id).order_by("pk"))
    shared = ("tenant", "content__template_version", "content__attachments")
    prefetch_related_objects(emails, *shared)
    return emails


def a_file(text: str) -> dict[str, str]:
    content = b64encode(text.encode()).decode()
    return {"filename": "a.txt", "content": content, "content_type": "text/plain"}


def test_messages_built_at_once_hold_their_own_words_and_their_tenants_file(account, other_tenant):
    with ScriptedServer() as server:
        other = account_at(server, tenant=other_tenant)
    emails = []
    for sender in (account, other):
        slug = sender.tenant.slug
        page = f"<p>{slug} {{{{ name }}}} {{{{ unsubscribe_url }}}}</p>"
        make_template(sender.tenant, slug="news", subject="{{ name }}", html=page)
        names = [f"{slug}-{number}-token" for number in range(100)]
        emails += bulk(sender, names=names, attachments=[a_file(f"of {slug}")])

    with ThreadPoolExecutor(8) as pool:
        messages = list(pool.map(lambda email: building.build_message(email, signers=[]), emails))

    assert len(set(messages)) == 200
    for email, message in zip(emails, map(read, messages), strict=True):
        own = email.own_variables["name"]
        texts = [
            part.get_content() for part in message.walk() if part.get_content_type()[:4] == "text"
        ]
        assert message["To"] == f"{own}@example.com"
        assert message["Subject"] == own
        assert set(re.findall(r"\w+-\d+-token", "".join(texts))) == {own}
        assert [t for t in texts if t.startswith("of ")] == [f"of {email.tenant.slug}"]
        assert texts[0].count(unsubscribe_url(email.tracking_id)) == 1


def test_a_file_of_bulk_mail_is_read_once_for_all_recipients(account, tenant):
    make_template(tenant, slug="news")
    options = {"attachments": [a_file("read once")], "variables_global": {"number": 1}}
    first, second = bulk(account, names=["ana", "bob"], **options)

    before = building.build_message(first, signers=[])
    attachment_storage().delete(first.content.files[0].path)
    after = building.build_message(second, signers=[])

    for data in (before, after):
        (file,) = read(data).iter_attachments()
        assert (file.get_filename(), file.get_content()) == ("a.txt", "read once")


def test_files_are_kept_up_to_a_number_of_bytes(account, tenant):
    make_template(tenant, slug="news")
    options = {"variables_global": {"number": 1}}
    files = [a_file(str(number) * 3_000) for number in range(5)] + [a_file("x" * 20_000)]
    (email,) = bulk(account, names=["ana"], attachments=files, **options)
    kept = KeptFiles(most_bytes=10_000)

    made = [kept.get(file) for file in email.content.files]

    assert 5_000 < kept.size_bytes <= 10_000
    assert [one.encoded for one in made] == [
        kept_files.encoded(file).encoded for file in email.content.files
    ]


def test_a_message_is_the_same_bytes_at_every_attempt(account):
    email = queue(account, html="<p>x</p>", text="x")
    first = built(email).as_bytes()
    EmailLog.objects.update(attempt=F("attempt") + 1, retry_count=3)

    assert built(email).as_bytes() == first


def test_a_scheduled_message_carries_the_date_of_its_time(account):
    send_at = timezone.now() + timedelta(days=2)

    message = built(queue(account, send_at=send_at))

    assert parsedate_to_datetime(message["Date"]) == send_at.replace(microsecond=0)


def test_a_message_is_signed_with_every_verified_key_and_no_other(tenant):
    with ScriptedServer() as server:
        account = account_at(server, tenant=tenant)
        keys = {kind: make_key(account, kind, is_verified=True) for kind in RECORDS}
        DKIMKey.objects.create(domain=account.domain, selector="new", algorithm="rsa")
        drained(queue(account, html="<p>Olá</p>", text="Olá\n.\n"))

    def record(name: bytes, **_timeout: object) -> bytes:
        return keys[name.decode().split(".")[0]].public_record.encode()

    (message,) = server.messages
    assert re.findall(rb" s=(\w+);", message.content) == [b"rsa", b"ed25519"]
    verified = [Verifier(message.content).verify(idx=index, dnsfunc=record) for index in range(2)]
    assert verified == [True, True]


def test_a_key_that_cant_be_decrypted_holds_the_mail_and_fails_none(tenant):
    with ScriptedServer() as server:
        account = account_at(server, tenant=tenant)
        key = make_key(account, "rsa", is_verified=True)
        DKIMKey.objects.filter(pk=key.pk).update(private_key_encrypted="v1:00000000:AAAA")
        email = drained(queue(account))

    assert (email.status, email.retry_count, server.messages) == ("queued", 0, [])


@pytest.fixture
def trusting(mail_server, monkeypatch):
    """The system's authorities, with the mail server's own among them."""
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.ca_file))
    opening._system_context.cache_clear()
    yield
    opening._system_context.cache_clear()


@pytest.mark.servers
def test_a_real_server_delivers_the_message_to_its_mailbox(tenant, mail_server, trusting):
    server = type("Server", (), {"host": "localhost", "port": mail_server.submission_port})
    account = account_at(server, tenant=tenant, use_tls=True, smtp_username=ALICE)
    account.email_address = ALICE
    account.smtp_password = mail_server.passwords[ALICE]
    account.save()
    email = queue(account, to_address=ALICE, html="<p>Olá</p>", text="Olá")
    ghost = queue(account, to_address="nobody@sendcraft.test")

    drained(email)
    (message,) = mail_server.wait_for(ALICE, count=1)

    ghost.refresh_from_db()
    assert email.status == "sent"
    assert read(message)["Message-ID"] == email.smtp_message_id
    assert (ghost.status, ghost.smtp_response[:9]) == ("bounced", "550 5.1.1")


PAGE = """<p>{{ name }} <a href="https://shop.test/?a=1&amp;b={{ name }}">shop</a>
<a href="{{ unsubscribe_url }}">out</a></p>"""


def links_of(message) -> list[str]:
    html = message.get_body(("html",)).get_content()
    return [unescape(link) for link in re.findall(r'href="([^"]+)"', html)]


def test_links_are_tracked_for_their_recipient_but_no_way_out_is(account, tenant):
    make_template(tenant, slug="news", html=PAGE, subject="x", text="x")
    type(account.domain).objects.update(tracking_host="links.shop.test")
    theirs = {"unsubscribe_url": "https://shop.test/out?who={name}&x=1"}
    (ana,) = bulk(account, names=["ana"])
    (bob,) = bulk(account, names=["bob"], variables_global=theirs)

    own, foreign = built(ana), built(bob)

    shop, out = links_of(own)
    way_out = unsubscribe_url(ana.tracking_id, host="links.shop.test")
    linked = click_urls(ana.tracking_id, host="links.shop.test")
    assert shop == linked("https://shop.test/?a=1&b=ana")
    assert out == way_out
    assert own["List-Unsubscribe"] == f"<{way_out}>"
    pixel = open_url(ana.tracking_id, host="links.shop.test")
    assert f'<img src="{pixel}"' in own.get_body(("html",)).get_content()
    assert links_of(foreign)[1] == "https://shop.test/out?who=bob&x=1"
    assert foreign["List-Unsubscribe"].startswith("<http://links.shop.test")


def test_a_tracked_message_is_the_same_bytes_at_every_attempt(account):
    email = queue(account, html=PAGE.replace("{{ unsubscribe_url }}", "https://x.test"), text="x")
    first = building.build_message(EmailLog.objects.get(pk=email.pk), signers=[])
    EmailLog.objects.update(attempt=F("attempt") + 1, retry_count=3)

    again = building.build_message(EmailLog.objects.get(pk=email.pk), signers=[])

    assert again == first
    assert len(links_of(read(first))) == 2
    assert all("/t/c/" in link for link in links_of(read(first)))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, (True, True)),
        ({"track_opens": False}, (False, True)),
        ({"track_clicks": False}, (True, False)),
        ({"track_opens": False, "track_clicks": False}, (False, False)),
    ],
)
def test_a_message_is_tracked_as_it_asks(account, wanted, found):
    email = queue(account, html="<a href='https://x.test'>x</a>", **wanted)

    html = built(email).get_body(("html",)).get_content()

    assert ("/t/o/" in html, "/t/c/" in html) == found


def test_a_link_of_ours_is_not_tracked_again(account):
    ours = click_urls(UUID(int=1))("https://x.test")

    email = queue(account, html=f'<a href="{ours}">x</a>', track_opens=False)

    assert links_of(built(email)) == [ours]


def test_mail_without_html_stays_as_it_is(account):
    message = built(queue(account, text="See https://x.test"))

    assert message.get_content().strip() == "See https://x.test"
