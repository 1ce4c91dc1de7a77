"""Which destinations are allowed, and that only checked addresses are connected to."""

from __future__ import annotations

import asyncio
import socket
import time
from ipaddress import ip_address

import pytest

from common.network import (
    Address,
    HostRefused,
    HostUnreachable,
    NetworkPolicy,
    connect,
    is_private,
    is_public,
    normalise_host,
    resolve,
)

PUBLIC = NetworkPolicy(allow_private=False)
EMBEDDED = NetworkPolicy(allow_private=True)


def answering(*answers: list[str], **kwargs: object) -> NetworkPolicy:
    """A policy whose resolver gives these answers, one per look-up."""
    left = list(answers)

    async def lookup(host: str, port: int) -> list[str]:
        return left.pop(0)

    return NetworkPolicy(**{"allow_private": False, "lookup": lookup, **kwargs})


def resolved(host: str, policy: NetworkPolicy) -> list[str]:
    return [str(found.ip) for found in asyncio.run(resolve(host, 25, policy=policy))]


@pytest.mark.parametrize("ip", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450::1"])
def test_ordinary_internet_addresses_are_public(ip):
    assert is_public(ip_address(ip))
    assert not is_private(ip_address(ip))


@pytest.mark.parametrize(
    "ip",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_every_special_address_is_not_public_and_refused_by_default(ip):
    assert not is_public(ip_address(ip))
    with pytest.raises(HostRefused):
        resolved(ip, PUBLIC)


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "10.0.0.1", "192.168.0.1", "169.254.1.1", "::1", "fd00::1"]
)
def test_an_embedded_installation_may_use_private_hosts(ip):
    assert resolved(ip, EMBEDDED) == [ip]


@pytest.mark.parametrize(
    "ip", ["0.0.0.0", "224.0.0.1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
)
def test_allowing_private_hosts_does_not_allow_disguised_ones(ip):
    with pytest.raises(HostRefused):
        resolved(ip, EMBEDDED)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "127.1",
        "0",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "127.0.0.01",
        "1.2.3.4.",
        "①②⑦.⓪.⓪.①",
        "１２７.0.0.1",
        "a.0x7f",
        "ok@127.0.0.1",
        "http://mail.example.test",
        "mail.example.test:25",
        "[::1]",
        "fe80::1%lo",
        "mail..example.test",
        "-a.example.test",
        "mail.example.test\r\n",
        "mail\x00.example.test",
        " mail.example.test",
        "mail.example.test/x",
        "a" * 64 + ".test",
        "a." * 127 + "test",
    ],
)
def test_odd_spellings_are_refused_before_any_look_up(host):
    with pytest.raises(HostRefused):
        resolved(host, answering())


def test_names_are_made_lower_case_and_ascii():
    assert normalise_host("Mail.Example.TEST") == "mail.example.test"
    assert normalise_host("bücher.example") == "xn--bcher-kva.example"
    assert normalise_host("localhost.") == "localhost."


def test_one_private_address_among_public_ones_refuses_the_name():
    with pytest.raises(HostRefused):
        resolved("mixed.example.test", answering(["8.8.8.8", "127.0.0.1"]))


def test_a_public_name_gives_its_addresses_once_each():
    policy = answering(["8.8.8.8", "8.8.8.8", "2606:4700::1"])

    assert resolved("mail.example.test", policy) == ["8.8.8.8", "2606:4700::1"]


def test_a_literal_is_never_looked_up():
    assert resolved("8.8.8.8", answering()) == ["8.8.8.8"]


def test_listed_names_and_networks_are_allowed_although_private():
    listed = ("Relay.Internal", "10.9.0.0/16", "100.64.0.7")

    assert resolved("relay.internal.", answering(["10.1.1.1"], private_hosts=listed))
    assert resolved("other.internal", answering(["10.9.1.1"], private_hosts=listed))
    assert resolved("100.64.0.7", answering(private_hosts=listed))
    with pytest.raises(HostRefused):
        resolved("other.internal", answering(["10.1.1.1"], private_hosts=listed))
    with pytest.raises(HostRefused):
        resolved("x.relay.internal", answering(["10.1.1.1"], private_hosts=listed))


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "10.0.0.5/8", "10.0.0.256", "fe80::/zz"])
def test_a_wrong_network_in_the_settings_fails_loudly(entry):
    with pytest.raises(ValueError, match=entry.split("/")[0]):
        NetworkPolicy(allow_private=False, private_hosts=(entry,))


def test_a_name_without_address_is_a_temporary_failure():
    with pytest.raises(HostUnreachable):
        resolved("nowhere.example.test", answering([]))


def test_the_system_resolver_is_used_by_default():
    assert "127.0.0.1" in resolved("localhost", EMBEDDED)
    with pytest.raises(HostRefused):
        resolved("localhost", PUBLIC)


def test_a_refusal_reads_the_same_whatever_listens_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        texts = set()
        for tried in (port, 1):
            with pytest.raises(HostRefused) as refusal:
                asyncio.run(resolve("127.0.0.1", tried, policy=PUBLIC))
            texts.add(str(refusal.value))

        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert len(texts) == 1


async def _connected_to(addresses: list[Address]) -> Address:
    deadline = asyncio.get_running_loop().time() + 5
    connection, address = await connect(addresses, deadline=deadline)
    connection.close()
    return address


def test_the_next_address_is_tried_when_one_refuses():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        closed = Address(ip_address("127.0.0.2"), port)
        open_ = Address(ip_address("127.0.0.1"), port)

        assert asyncio.run(_connected_to([closed, open_])) == open_


def test_no_address_answering_is_a_temporary_failure_that_says_why():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(HostUnreachable, match="refused"):
        asyncio.run(_connected_to([Address(ip_address("127.0.0.1"), port)]))


def test_a_hanging_resolver_does_not_outlive_the_deadline():
    async def lookup(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    async def run() -> None:
        async with asyncio.timeout(0.05):
            await resolve("mail.example.test", 25, policy=NetworkPolicy(True, lookup=lookup))

    start = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(run())
    assert time.monotonic() - start < 5
