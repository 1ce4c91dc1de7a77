"""The image and the links: what they answer to whom, and what they leave behind."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.test import Client, override_settings

from common.ids import uuid7
from common.tokens import make_token
from delivery.hits import COLLECTOR
from logs.links import click_urls, open_url, unsubscribe_url
from logs.models import TrackingHit
from logs.tests.builders import an_email

pytestmark = pytest.mark.django_db(transaction=True)
ORDER = "https://shop.test/orders/1?a=1&b=%20#top"


@pytest.fixture(autouse=True)
def _nothing_is_left():
    yield
    COLLECTOR.flush()


@pytest.fixture
def message() -> UUID:
    return uuid7()


def path_of(url: str | None) -> str:
    assert url is not None
    return "/" + url.split("/", 3)[3]


def hits() -> list[TrackingHit]:
    assert COLLECTOR.flush()
    return list(TrackingHit.objects.order_by("pk"))


def test_an_open_answers_an_image_that_nobody_keeps(message):
    answer = Client().get(path_of(open_url(message)), headers={"User-Agent": "Firefox"})

    (hit,) = hits()
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/gif")
    assert answer.content[:6] == b"GIF89a"
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies
    assert (hit.tracking_id, hit.kind, hit.url) == (message, "opened", "")
    assert (hit.user_agent, hit.ip_address, hit.sign) == ("Firefox", "127.0.0.1", "")


@pytest.mark.parametrize(
    "target",
    [
        ORDER,
        "HTTPS://shop.test",
        "http://shop.test//evil.test",
        "http://shop.test\\@evil.test",
        "https://shop.test/?next=//evil.test&x='\"<>",
        "https://shop.test/a b",
        "https://pão.test/promoção?x=ç&y=€",
        "https://shop.test/?amp=&amp;",
        "https://shop.test/" + "x" * 1_300,
    ],
)
def test_a_click_leads_to_the_very_bytes_of_the_target(message, target):
    answer = Client().get(path_of(click_urls(message)(target)))

    (hit,) = hits()
    assert answer.status_code == 302
    assert answer["Location"].encode("latin-1") == target.encode()
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies
    assert (hit.kind, hit.url) == ("clicked", target)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.test",
        "\\\\evil.test",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:evil.test",
        "https://x.test/\r\nSet-Cookie: a=b",
        "https://x.test/\nx",
        "https://x.test/\x00",
        "https://x.test/" + "x" * 1_600,
        " https://x.test",
        "",
    ],
)
def test_what_no_redirect_should_lead_to_is_no_target_even_if_it_were_signed(message, target):
    signed = make_token("click", message.bytes + target.encode())

    assert click_urls(message)(target) is None
    assert Client().get(f"/t/c/{signed}").status_code == 404
    assert hits() == []


def test_a_forged_or_foreign_token_is_not_found_and_asks_no_database(
    message, django_assert_num_queries
):
    click, image = path_of(click_urls(message)(ORDER)), path_of(open_url(message))
    way_out = unsubscribe_url(message).rpartition("/")[2]
    with override_settings(SECRET_KEY="another installation"):
        foreign = path_of(click_urls(message)(ORDER))
    forged = [
        *(click[:-1], click + "A", click.swapcase(), "/t/c/x", "/t/c/" + "A" * 3000, foreign),
        *(click + "/", click.replace("/t/c/", "/t/o/") + ".gif", f"/t/o/{way_out}.gif"),
        *(image[:-4], image.replace("/t/o/", "/t/c/"), f"/t/c/{way_out}", "/t/o/.gif"),
        *(f"/t/c/{make_token('click', b'short')}", f"/t/o/{make_token('open', b'x' * 17)}.gif"),
    ]

    with django_assert_num_queries(0):
        statuses = [Client().get(path).status_code for path in forged]

    assert statuses == [404] * len(forged)
    assert hits() == []


def test_another_parameter_changes_nothing(message):
    answer = Client().get(path_of(click_urls(message)(ORDER)) + "?url=https://evil.test")

    assert answer["Location"] == ORDER


def test_a_request_asks_no_database(message, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get(path_of(open_url(message))).status_code == 200
        assert Client().get(path_of(click_urls(message)(ORDER))).status_code == 302


def test_head_and_prefetching_are_answered_alike_and_noted(message):
    path = path_of(click_urls(message)(ORDER))

    head = Client().head(path)
    ahead = Client().get(path, headers={"Sec-Purpose": "prefetch;prerender"})
    post = Client().post(path)

    assert (head.status_code, head["Location"]) == (302, ORDER)
    assert ahead.status_code == 302
    assert post.status_code == 405
    assert [hit.sign for hit in hits()] == ["head", "prefetch"]


@override_settings(ALLOWED_HOSTS=["mail.shop.test"])
def test_every_host_that_leads_here_serves_signed_links_and_nothing_else(tenant):
    email = an_email(tenant)
    paths = [
        path_of(open_url(email.tracking_id)),
        path_of(click_urls(email.tracking_id)(ORDER)),
        path_of(unsubscribe_url(email.tracking_id)),
        "/admin/login/",
        "/api/v1/health",
    ]

    statuses = [
        Client().get(path, headers={"Host": "links.old.test"}).status_code for path in paths
    ]

    assert statuses == [200, 302, 200, 400, 400]


@override_settings(PUBLIC_URL="https://mail.shop.test:8443/hub")
def test_links_are_at_the_tracking_host_where_the_domain_has_one(message):
    at_host = "https://links.shop.test:8443/hub"

    assert open_url(message).startswith("https://mail.shop.test:8443/hub/t/o/")
    assert open_url(message, host="links.shop.test").startswith(f"{at_host}/t/o/")
    assert str(click_urls(message, host="links.shop.test")(ORDER)).startswith(f"{at_host}/t/c/")
    assert unsubscribe_url(message, host="links.shop.test").startswith(f"{at_host}/u/")


@pytest.mark.parametrize(
    ("address", "kept"),
    [("::ffff:203.0.113.7", "203.0.113.7"), ("2001:DB8::1", "2001:db8::1"), ("x", None)],
)
def test_an_address_is_kept_in_its_usual_form(message, address, kept):
    Client(REMOTE_ADDR=address).get(path_of(open_url(message)))

    assert [hit.ip_address for hit in hits()] == [kept]


def test_a_strange_user_agent_is_kept_as_text(message):
    agents = ["x" * 600, "Zé".encode().decode("latin-1"), "\xff\xfe\0"]

    for agent in agents:
        Client(HTTP_USER_AGENT=agent).get(path_of(open_url(message)))

    assert [hit.user_agent for hit in hits()] == ["x" * 500, "Zé", "\ufffd\ufffd"]
