"""Asking a real DNS server on loopback: answers, refusals, silence, and limits."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta

import pytest

from domains.providers.dns import (
    Answer,
    BoundedResolver,
    DNSResolver,
    Outcome,
    RecordType,
)

SOON = timedelta(milliseconds=300)


def ask(server, name, kind=RecordType.TXT):
    return asyncio.run(DNSResolver([server.address], patience=SOON).ask(name, kind=kind))


def test_a_text_of_several_strings_is_one_value(dns_server):
    dns_server.txt("long.test", "x" * 600)

    assert ask(dns_server, "long.test") == Answer(Outcome.FOUND, ("x" * 600,))


def test_several_texts_are_several_values(dns_server):
    dns_server.txt("two.test", "one", "two")

    assert sorted(ask(dns_server, "two.test").values) == ["one", "two"]


def test_bytes_that_are_no_text_are_kept_readable(dns_server):
    dns_server._add("odd.test", "TXT", [r'"a\255\000b"'])

    assert ask(dns_server, "odd.test").values == ("a\\xff\x00b",)


def test_exchanges_and_addresses_are_texts(dns_server):
    dns_server.mx("mail.test", "10 mx.mail.test")
    dns_server.mx("null.test", "0 .")
    dns_server.a("mx.mail.test", "192.0.2.1")
    dns_server.aaaa("mx.mail.test", "2001:db8::1")

    assert ask(dns_server, "mail.test", RecordType.MX).values == ("10 mx.mail.test",)
    assert ask(dns_server, "null.test", RecordType.MX).values == ("0 .",)
    assert ask(dns_server, "mx.mail.test", RecordType.A).values == ("192.0.2.1",)
    assert ask(dns_server, "mx.mail.test", RecordType.AAAA).values == ("2001:db8::1",)


def test_an_alias_is_followed_and_told(dns_server):
    dns_server.cname("alias.test", "real.test")
    dns_server.txt("real.test", "here")

    assert ask(dns_server, "alias.test") == Answer(Outcome.FOUND, ("here",), is_alias=True)


def test_an_unknown_name_and_a_name_without_such_a_record_have_none(dns_server):
    dns_server.a("host.test", "192.0.2.1")

    assert ask(dns_server, "host.test") == Answer(Outcome.NONE)
    assert ask(dns_server, "unknown.test") == Answer(Outcome.NONE)


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED", "FORMERR"])
def test_a_server_that_fails_says_nothing_about_the_name(dns_server, code):
    dns_server.fail("broken.test", code=code)

    answer = ask(dns_server, "broken.test")

    assert answer == Answer(Outcome.FAILED)
    assert not answer.is_settled


def test_silence_ends_in_a_timeout(dns_server):
    dns_server.silence("slow.test")

    assert ask(dns_server, "slow.test") == Answer(Outcome.TIMEOUT)


def test_a_truncated_answer_is_asked_for_again_over_tcp(dns_server):
    dns_server.txt("big.test", "complete")
    dns_server.truncate("big.test")

    assert ask(dns_server, "big.test").values == ("complete",)
    assert [query[2] for query in dns_server.queries] == ["udp", "tcp"]


def test_a_closed_port_is_a_failure():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    answer = asyncio.run(
        DNSResolver([f"127.0.0.1:{port}"], patience=SOON).ask("x.test", kind=RecordType.A)
    )

    assert not answer.is_settled


def test_the_next_server_is_asked_where_the_first_fails(dns_server):
    dns_server.txt("here.test", "yes")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{probe.getsockname()[1]}"

    resolver = DNSResolver([closed, dns_server.address], patience=timedelta(seconds=1))

    assert asyncio.run(resolver.ask("here.test", kind=RecordType.TXT)).values == ("yes",)


@pytest.mark.parametrize(
    "name", ["a..b.test", "x" * 64 + ".test", "a.test\\", ("a" * 60 + ".") * 5]
)
def test_a_name_that_cannot_exist_has_no_record(dns_server, name):
    assert ask(dns_server, name) == Answer(Outcome.NONE)
    assert dns_server.queries == []


def test_the_settings_name_the_servers(dns_server, settings):
    settings.DNS_RESOLVERS = [dns_server.address]
    dns_server.txt("here.test", "yes")

    answer = asyncio.run(DNSResolver.from_settings().ask("here.test", kind=RecordType.TXT))

    assert answer.values == ("yes",)


async def _ask_all(resolver, names, *, within, most):
    bounded = BoundedResolver(resolver, within=within, most=most)
    return await asyncio.gather(*(bounded.ask(name, kind=RecordType.A) for name in names))


def test_each_question_is_asked_once(dns_server):
    dns_server.a("host.test", "192.0.2.1")
    names = ["host.test", "HOST.test.", "host.test"]

    answers = asyncio.run(
        _ask_all(DNSResolver([dns_server.address]), names, within=timedelta(seconds=5), most=10)
    )

    assert [answer.values for answer in answers] == [("192.0.2.1",)] * 3
    assert len(dns_server.queries) == 1


def test_beyond_the_allowance_nothing_is_asked(dns_server):
    names = [f"host{number}.test" for number in range(5)]

    answers = asyncio.run(
        _ask_all(DNSResolver([dns_server.address]), names, within=timedelta(seconds=5), most=3)
    )

    assert [answer.outcome for answer in answers] == [Outcome.NONE] * 3 + [Outcome.FAILED] * 2
    assert len(dns_server.queries) == 3


def test_many_silent_names_share_one_deadline(dns_server):
    names = [f"slow{number}.test" for number in range(20)]
    for name in names:
        dns_server.silence(name)
    patient = DNSResolver([dns_server.address], patience=timedelta(hours=1))

    answers = asyncio.run(_ask_all(patient, names, within=SOON, most=50))

    assert {answer.outcome for answer in answers} == {Outcome.TIMEOUT}
