"""Only checked addresses are connected to, and no answer costs more than its share."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from common.network import NetworkPolicy
from tests.servers.certificates import CertificateAuthority
from tests.servers.receiver import HANG, Receiver, Reply
from tests.servers.waiting import LOOPBACK, free_ports
from webhooks.providers import http
from webhooks.providers.http import MOST_KEPT, NO_ANSWER, TOO_SLOW, Answer, Request, Sender

PUBLIC = NetworkPolicy(allow_private=False)
EMBEDDED = NetworkPolicy(allow_private=True)


def post(url: str, *, policy: NetworkPolicy = EMBEDDED, seconds: float = 5) -> Answer:
    request = Request(url, b'{"a":1}', {"X-Own": "1"})
    return asyncio.run(Sender(lambda: policy).post(request, seconds=seconds))


def answering(*answers: list[str], **kwargs) -> NetworkPolicy:
    """A policy whose resolver gives these answers, one per look-up."""
    left = list(answers)

    async def lookup(host: str, port: int) -> list[str]:
        return left.pop(0)

    return NetworkPolicy(**{"allow_private": False, "lookup": lookup, **kwargs})


@contextmanager
def canary() -> Iterator[socket.socket]:
    """A listener that nobody may connect to; leaving it fails if somebody did."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_body_arrives_as_it_is_with_our_headers(receiver):
    answer = post(receiver.url + "?shop=1")

    (request,) = receiver.requests
    assert (request.path, request.body) == ("/hooks?shop=1", b'{"a":1}')
    assert request.headers["host"] == f"{LOOPBACK}:{receiver.port}"
    assert request.headers["x-own"] == "1"
    assert (answer.is_ok, answer.status, answer.error) == (True, 204, "")
    assert answer.latency_ms >= 0


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "127.1",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "0",
    ],
)
def test_no_spelling_of_a_private_host_is_connected_to(host):
    with canary() as listener:
        port = listener.getsockname()[1]
        answer = post(f"http://{host}:{port}/", policy=PUBLIC)

    assert answer.status is None
    assert answer.error


def test_a_name_that_turns_private_after_it_was_checked_is_not_connected_to():
    with canary() as listener:
        port = listener.getsockname()[1]
        policy = answering(["8.8.8.8"], ["127.0.0.1"])
        sender = Sender(lambda: policy)
        request = Request(f"http://rebound.example.test:{port}/", b"{}", {})

        async def twice() -> list[Answer]:
            return [await sender.post(request, seconds=0.3) for _ in range(2)]

        first, second = asyncio.run(twice())

    assert first.status is None
    assert second.error == "Connections to this host are not allowed."


def test_one_private_address_among_public_ones_refuses_all():
    with canary() as listener:
        port = listener.getsockname()[1]
        answer = post(f"http://mixed.test:{port}/", policy=answering(["8.8.8.8", "127.0.0.1"]))

    assert answer.error == "Connections to this host are not allowed."


def test_a_kept_connection_is_not_used_once_its_name_has_turned_private(receiver):
    policy = answering(["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"], private_hosts=("127.0.0.1/32",))
    sender = Sender(lambda: policy)
    request = Request(f"http://kept.test:{receiver.port}/", b"{}", {})

    async def thrice() -> list[int | None]:
        return [(await sender.post(request)).status for _ in range(3)]

    assert asyncio.run(thrice()) == [204, 204, None]
    assert len(receiver.requests) == 2


def test_a_name_on_the_operators_list_is_allowed_although_private(receiver):
    url = f"http://hooks.internal:{receiver.port}/"
    policy = answering(["127.0.0.1"], private_hosts=("hooks.internal",))

    assert post(url, policy=policy).is_ok


def test_the_next_address_is_tried_where_one_does_not_answer(receiver):
    url = f"http://two.test:{receiver.port}/"
    policy = answering(["127.0.0.2", "127.0.0.1"], allow_private=True)

    assert post(url, policy=policy).is_ok


def test_a_refusal_reads_the_same_whatever_listens_there():
    (closed,) = free_ports(1)
    with canary() as listener:
        ports = (listener.getsockname()[1], closed)
        told = {post(f"http://127.0.0.1:{port}/", policy=PUBLIC).error for port in ports}

    assert len(told) == 1


def test_of_a_private_host_nothing_is_told_but_that_no_answer_came():
    (closed,) = free_ports(1)
    with socket.create_server((LOOPBACK, 0)) as ssh:
        ssh.settimeout(5)
        port = ssh.getsockname()[1]

        async def ask() -> Answer:
            asking = asyncio.create_task(
                Sender(lambda: EMBEDDED).post(to(f"http://{LOOPBACK}:{port}/"), seconds=1)
            )
            connection, _ = await asyncio.to_thread(ssh.accept)
            connection.sendall(b"SSH-2.0-Secret_9.2\r\n")
            answer = await asking
            connection.close()
            return answer

        told = {asyncio.run(ask()).error, post(f"http://{LOOPBACK}:{closed}/").error}

    assert told == {NO_ANSWER}


def to(url: str) -> Request:
    return Request(url, b"{}", {})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(receiver, status):
    with canary() as listener:
        inside = f"http://{LOOPBACK}:{listener.getsockname()[1]}/"
        receiver.answers(Reply(status, headers={"Location": inside}))

        answer = post(receiver.url)

    assert (answer.is_ok, answer.status, answer.error) == (False, status, f"HTTP {status}")


def test_no_proxy_of_the_environment_is_asked(receiver, monkeypatch):
    with canary() as listener:
        proxy = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)

        assert post(receiver.url).is_ok


def test_no_cookie_is_kept(receiver):
    receiver.answers(Reply(200, headers={"Set-Cookie": "a=b"}))
    sender = Sender(lambda: EMBEDDED)

    async def twice() -> None:
        await sender.post(to(receiver.url))
        await sender.post(to(receiver.url))

    asyncio.run(twice())
    assert [request.headers.get("cookie") for request in receiver.requests] == [None, None]


def test_a_receiver_that_hangs_costs_the_deadline(receiver, monkeypatch):
    receiver.answers(HANG)

    assert post(receiver.url, seconds=0.3).error == NO_ANSWER
    monkeypatch.setattr(http.network, "is_public", lambda ip: True)
    assert post(receiver.url, seconds=0.3).error == TOO_SLOW


def test_an_answer_that_drips_for_ever_counts_by_its_status_after_the_deadline(receiver):
    receiver.answers(Reply(200, drips=True))
    began = time.monotonic()

    answer = post(receiver.url, seconds=0.5)

    assert answer.is_ok
    assert time.monotonic() - began < 5


def test_of_a_huge_answer_little_is_read(receiver):
    receiver.answers(Reply(500, b"<script>alert(1)</script>", size=10**9))

    answer = post(receiver.url)

    assert answer.status == 500
    assert answer.body.startswith("<script>")
    assert len(answer.body) == MOST_KEPT
    assert receiver.sent_bytes < 20_000_000  # what the sockets of the loopback hold


def test_an_answer_is_not_unpacked(receiver):
    receiver.answers(Reply(200, b"\x1f\x8b\x08\x00bomb", headers={"Content-Encoding": "gzip"}))

    answer = post(receiver.url)

    assert answer.is_ok
    assert "bomb" in answer.body
    assert "\x00" not in answer.body


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [("120", 120), (" 7 ", 7), ("99999999999999999999", 10**7), ("soon", None), ("-5", None)],
)
def test_retry_after_is_read_of_those_who_may_ask(receiver, stated, seconds):
    receiver.answers(
        Reply(503, headers={"Retry-After": stated}), Reply(500, headers={"Retry-After": stated})
    )

    wish = post(receiver.url).retry_after

    assert wish == (None if seconds is None else timedelta(seconds=seconds))
    assert post(receiver.url).retry_after is None


@pytest.fixture
def authority(tmp_path, monkeypatch):
    made = CertificateAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    http.tls.cache_clear()
    yield made
    http.tls.cache_clear()


def test_a_certificate_must_be_of_the_host_in_the_url(authority):
    policy = answering(["127.0.0.1"], ["127.0.0.1"], allow_private=True)
    with Receiver(tls=authority.issue("hooks.test")) as receiver:
        right = post(f"https://hooks.test:{receiver.port}/", policy=policy)
        wrong = post(f"https://other.test:{receiver.port}/", policy=policy)

        assert right.is_ok
        assert wrong.status is None
        assert len(receiver.requests) == 1


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path):
    stranger = CertificateAuthority(tmp_path)
    with Receiver(tls=stranger.issue(LOOPBACK)) as receiver:
        assert post(receiver.url).status is None
        assert receiver.requests == []


def test_of_a_public_host_it_is_told_what_is_wrong_with_its_certificate(authority, monkeypatch):
    monkeypatch.setattr(http.network, "is_public", lambda ip: True)
    policy = answering(["127.0.0.1"])
    with Receiver(tls=authority.issue("hooks.test")) as receiver:
        told = post(f"https://other.test:{receiver.port}/", policy=policy).error

    assert told.startswith("The server's certificate is not valid: Hostname mismatch")
