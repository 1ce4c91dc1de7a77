"""Checks of a domain's records against a real DNS server: each verdict and its advice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils.translation import override

from domains.dkim_keys import generate_ed25519, generate_rsa
from domains.dns_checks import (
    DkimKey,
    DomainRecords,
    advise,
    check_domain,
    described,
    verified_selectors,
)
from domains.dns_checks.advice import _TEXTS
from domains.providers.dns import DNSResolver

NAME = "alitools.test"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RSA = generate_rsa().public_record
ED25519 = generate_ed25519().public_record
KEYS = (DkimKey("sc1", RSA), DkimKey("sc1e", ED25519))
SOON = timedelta(milliseconds=300)


def check(server, *, name=NAME, hosts=(), keys=KEYS, patience=timedelta(seconds=5)):
    records = DomainRecords(name, dkim=keys, smtp_hosts=hosts)
    resolver = DNSResolver([server.address], patience=patience)
    return check_domain(records, resolver=resolver, at=NOON)


def codes(record):
    return [note["code"] for note in record["advice"]]


def spf(server, *texts, hosts=()):
    server.txt(NAME, *texts)
    return check(server, hosts=hosts, keys=())["spf"]


def dkim(server, *texts, record=RSA):
    if texts:
        server.txt(f"sc1._domainkey.{NAME}", *texts)
    return check(server, keys=(DkimKey("sc1", record),))["dkim"]


def dmarc(server, *texts, name=NAME):
    if texts:
        server.txt(f"_dmarc.{name}", *texts)
    return check(server, name=name, keys=())["dmarc"]


def mx(server, *values, hosts=()):
    if values:
        server.mx(NAME, *values)
    return check(server, keys=(), hosts=hosts)["mx"]


def publish(server, record):
    """Do what the report says."""
    if record["type"] == "TXT":
        server.txt(record["name"], record["wanted"])
    else:
        server.mx(record["name"], *record["wanted"].split("\n"))


class TestWholeDomain:
    def test_a_new_domain_misses_all_and_passes_once_what_is_wanted_is_published(self, dns_server):
        hosts = ("smtp.alitools.test", "smtp.gmail.com", "mailcatcher")
        dns_server.a("smtp.alitools.test", "192.0.2.10")
        dns_server.txt("_spf.google.com", "v=spf1 ip4:198.51.100.0/24 ~all")

        before = check(dns_server, hosts=hosts)
        for kind in ("spf", "dkim", "dmarc", "mx"):
            publish(dns_server, before[kind])
        publish(dns_server, before["dkim"]["keys"][1])
        after = check(dns_server, hosts=hosts)

        kinds = ("spf", "dkim", "dmarc", "mx")
        assert [before[kind]["verdict"] for kind in kinds] == ["missing"] * 4
        assert [after[kind]["verdict"] for kind in kinds] == ["ok"] * 4
        assert [after[kind]["advice"] for kind in kinds] == [[]] * 4
        assert verified_selectors(before) == []
        assert verified_selectors(after) == ["sc1", "sc1e"]

    def test_the_report_is_plain_json_with_its_time(self, dns_server):
        report = check(dns_server)

        assert json.loads(json.dumps(report)) == report
        assert report["checked_at"] == "2026-03-01T12:00:00Z"

    def test_a_server_that_fails_leaves_all_unknown_never_missing(self, dns_server):
        for name in (NAME, f"_dmarc.{NAME}", f"sc1._domainkey.{NAME}"):
            dns_server.fail(name)

        report = check(dns_server, keys=KEYS[:1])

        for kind in ("spf", "dkim", "dmarc", "mx"):
            assert report[kind]["verdict"] == "unknown"
            assert codes(report[kind]) == ["dns_failed"]
            assert report[kind]["found"] == []

    def test_silence_is_unknown_too(self, dns_server):
        for name in (NAME, f"_dmarc.{NAME}", f"sc1._domainkey.{NAME}"):
            dns_server.silence(name)

        report = check(dns_server, keys=KEYS[:1], patience=SOON)

        for kind in ("spf", "dkim", "dmarc", "mx"):
            assert report[kind]["verdict"] == "unknown"
            assert codes(report[kind]) == ["dns_timeout"]

    def test_hostile_texts_are_kept_short_and_without_control_characters(self, dns_server):
        dns_server.txt(NAME, "v=spf1 \x1b[31m\x00" + "x" * 5000)

        record = check(dns_server)["spf"]

        assert record["verdict"] == "wrong"
        shown = record["found"][0] + record["advice"][0]["params"]["term"]
        assert shown.isprintable()
        assert len(shown) < 2500

    def test_the_words_are_english_and_carry_their_codes(self, dns_server):
        dns_server.txt(NAME, "v=spf1 nonsense ~all")

        with override("en"):
            words = described(check(dns_server))

        assert words["spf"]["codes"] == ["spf_syntax"]
        assert "because of “nonsense”" in words["spf"]["advice"]
        assert f"sc1._domainkey.{NAME}" in words["dkim"]["keys"][0]["advice"]

    @pytest.mark.parametrize("code", _TEXTS)
    def test_each_advice_can_be_worded(self, code):
        kinds = ("name", "doubled", "term", "host", "mechanism", "policy", "value")

        text = advise(code, params={kind: f"<{kind}>" for kind in kinds})

        assert text.endswith((".", "this one."))
        assert "%" not in text

    def test_an_advice_of_another_version_is_shown_by_its_code(self):
        assert advise("no_such_advice", params={}) == "no_such_advice"


class TestSpf:
    def test_the_default_lets_the_exchangers_send(self, dns_server):
        record = check(dns_server, keys=())["spf"]

        assert (record["type"], record["name"]) == ("TXT", NAME)
        assert record["wanted"] == "v=spf1 mx ~all"
        assert (record["verdict"], record["found"]) == ("missing", [])

    @pytest.mark.parametrize(
        "text",
        [
            "v=spf1 a:smtp.alitools.test -all",
            "v=spf1 a:smtp.alitools.test ~all",
            "V=SPF1 A:SMTP.alitools.test -ALL",
            "v=spf1 ip4:192.0.2.0/28 -all",
            "v=spf1 ip6:2001:db8::/32 -all",
            "v=spf1 a -all",
            "v=spf1 a/24 -all",
            "v=spf1 mx -all",
            "v=spf1 mx:alitools.test/31//64 exp=why.%{d} -all",
            "v=spf1 include:_spf.alitools.test -all",
            "v=spf1 redirect=_spf.alitools.test",
        ],
    )
    def test_a_record_that_allows_the_smtp_host_is_right(self, dns_server, text):
        dns_server.a(NAME, "192.0.2.10")
        dns_server.a("smtp.alitools.test", "192.0.2.10")
        dns_server.aaaa("smtp.alitools.test", "2001:db8::10")
        dns_server.mx(NAME, "10 mx.alitools.test")
        dns_server.a("mx.alitools.test", "192.0.2.11", "192.0.2.10")
        dns_server.txt("_spf.alitools.test", "v=spf1 ip4:192.0.2.10 ~all")

        record = spf(dns_server, "unrelated", text, hosts=("smtp.alitools.test",))

        assert (record["verdict"], record["advice"]) == ("ok", [])
        assert record["wanted"] == text
        assert record["found"] == [text]

    @pytest.mark.parametrize(
        "text",
        [
            "v=spf1 ip4:198.51.100.1 ~all",
            "v=spf1 ?a:smtp.alitools.test ~all",
            "v=spf1 -ip4:192.0.2.10 ~all",
            "v=spf1 -include:_spf.alitools.test ~all",
        ],
    )
    def test_a_host_that_is_not_allowed_is_added_before_the_end(self, dns_server, text):
        dns_server.a("smtp.alitools.test", "192.0.2.10")
        dns_server.txt("_spf.alitools.test", "v=spf1 ip4:192.0.2.10 ~all")

        record = spf(dns_server, text, hosts=("smtp.alitools.test",))

        assert (record["verdict"], codes(record)) == ("warning", ["spf_host"])
        assert record["wanted"] == text.replace(" ~all", " a:smtp.alitools.test ~all")

    def test_a_host_that_only_the_own_network_sees_needs_nothing(self, dns_server):
        dns_server.a("relay.alitools.test", "10.1.2.3")
        hosts = ("relay.alitools.test", "127.0.0.1", "localhost", "postfix", "::1")

        assert spf(dns_server, "v=spf1 -all", hosts=hosts)["verdict"] == "ok"

    def test_an_address_as_host_is_allowed_as_an_address(self, dns_server):
        hosts = ("203.0.113.9",)

        assert spf(dns_server, "v=spf1 ip4:203.0.113.0/24 -all", hosts=hosts)["verdict"] == "ok"
        record = spf(dns_server, "v=spf1 -all", hosts=hosts)
        assert record["wanted"] == "v=spf1 ip4:203.0.113.9 -all"

    @pytest.mark.parametrize(
        ("host", "include"),
        [
            ("smtp.gmail.com", "_spf.google.com"),
            ("smtp-relay.gmail.com", "_spf.google.com"),
            ("smtp.office365.com", "spf.protection.outlook.com"),
            ("email-smtp.eu-west-1.amazonaws.com", "amazonses.com"),
            ("smtp.zoho.eu", "zohomail.eu"),
            ("smtp-relay.brevo.com", "spf.brevo.com"),
            ("ssl0.ovh.net", "mx.ovh.com"),
            ("smtp.sendgrid.net", "sendgrid.net"),
            ("smtp.eu.mailgun.org", "mailgun.org"),
        ],
    )
    def test_a_provider_needs_its_include(self, dns_server, host, include):
        dns_server.txt(include, "v=spf1 ip4:198.51.100.0/24 ~all")

        without = spf(dns_server, "v=spf1 mx -all", hosts=(host,))
        allowed = spf(dns_server, without["wanted"], hosts=(host,))

        assert (without["verdict"], codes(without)) == ("wrong", ["spf_provider"])
        assert without["wanted"] == f"v=spf1 mx include:{include} -all"
        assert allowed["verdict"] == "ok"

    def test_a_name_that_only_ends_like_a_provider_is_not_one(self, dns_server):
        record = check(dns_server, keys=(), hosts=("smtp.notgmail.com",))["spf"]

        assert record["wanted"] == "v=spf1 a:smtp.notgmail.com ~all"

    def test_several_records_are_joined_into_one(self, dns_server):
        record = spf(
            dns_server,
            "v=spf1 ip4:192.0.2.1 -all",
            "v=spf1 include:_spf.google.com ip4:192.0.2.1 ~all",
            hosts=("smtp.gmail.com",),
        )

        assert (record["verdict"], codes(record)) == ("wrong", ["spf_several"])
        assert record["wanted"] == "v=spf1 include:_spf.google.com ip4:192.0.2.1 ~all"

    def test_two_records_that_redirect_are_joined_by_including_both(self, dns_server):
        texts = ("v=spf1 redirect=one.test", "v=spf1 redirect=two.test", "v=spf1 mx -all")

        assert (
            spf(dns_server, *texts)["wanted"] == "v=spf1 mx include:one.test include:two.test -all"
        )

    def test_a_redirect_stays_last_when_a_host_is_added(self, dns_server):
        dns_server.txt("other.test", "v=spf1 -all")

        record = spf(dns_server, "v=spf1 redirect=other.test", hosts=("smtp.gmail.com",))

        assert record["wanted"] == "v=spf1 include:_spf.google.com redirect=other.test"

    @pytest.mark.parametrize(
        "term",
        [
            "nonsense",
            "include:",
            "include",
            "_spf.google.com",
            "ip4:1.2.3",
            "ip4:1.2.3.4/33",
            "ip4:2001:db8::1",
            "ip6:192.0.2.1",
            "a/33",
            "a//129",
            "all:x.test",
            "all/8",
            "include:x.test/24",
            "include:a..b",
            "include:" + "x" * 64 + ".test",
            "exists:%{z}.test",
            "a:100%.test",
            "redirect=",
            "++a",
        ],
    )
    def test_a_term_that_spf_does_not_know_is_named_and_left_out(self, dns_server, term):
        record = spf(dns_server, f"v=spf1 ip4:192.0.2.1 {term} -all")

        assert (record["verdict"], codes(record)) == ("wrong", ["spf_syntax"])
        assert record["advice"][0]["params"] == {"term": term}
        assert record["wanted"] == "v=spf1 ip4:192.0.2.1 -all"

    @pytest.mark.parametrize("text", ['"v=spf1 mx -all"', "v=spf1;mx", "v = spf1 mx", "v=spf2 mx"])
    def test_a_record_that_begins_wrongly_is_told_apart_from_none(self, dns_server, text):
        record = spf(dns_server, text)

        assert (record["verdict"], codes(record)) == ("wrong", ["spf_start"])
        assert record["found"] == [text]

    @pytest.mark.parametrize(
        "text",
        ["v=spf1 +all", "v=spf1 mx all", "v=spf1 ip4:0.0.0.0/0 -all", "v=spf1 ip6:::/0 -all"],
    )
    def test_a_record_that_allows_everybody_is_wrong(self, dns_server, text):
        record = spf(dns_server, text, hosts=("smtp.gmail.com",))

        assert (record["verdict"], codes(record)) == ("wrong", ["spf_allows_all"])
        assert record["wanted"].endswith(("~all", "-all"))
        assert "0/0" not in record["wanted"]

    def test_an_included_record_that_allows_everybody_is_wrong_too(self, dns_server):
        dns_server.txt("open.test", "v=spf1 +all")

        assert codes(spf(dns_server, "v=spf1 include:open.test -all")) == ["spf_allows_all"]

    @pytest.mark.parametrize("text", ["v=spf1 mx", "v=spf1 mx ?all", "v=spf1"])
    def test_a_record_without_an_end_says_too_little(self, dns_server, text):
        record = spf(dns_server, text)

        assert (record["verdict"], codes(record)) == ("warning", ["spf_no_end"])
        assert record["wanted"] == "v=spf1 mx ~all"

    @pytest.mark.parametrize(("most", "verdict"), [(10, "ok"), (11, "wrong")])
    def test_ten_look_ups_are_the_most(self, dns_server, most, verdict):
        inner = " ".join(f"a:h{number}.test" for number in range(most - 2))
        dns_server.txt("inner.test", f"v=spf1 {inner} -all")

        record = spf(dns_server, "v=spf1 mx include:inner.test -all")

        assert record["verdict"] == verdict
        assert codes(record) == ([] if verdict == "ok" else ["spf_too_many"])

    def test_records_that_include_each_other_end(self, dns_server):
        dns_server.txt("one.test", "v=spf1 include:two.test -all")
        dns_server.txt("two.test", "v=spf1 include:one.test include:two.test -all")

        assert codes(spf(dns_server, "v=spf1 include:one.test -all")) == ["spf_too_many"]
        assert len([query for query in dns_server.queries if query[1] == "TXT"]) < 12

    @pytest.mark.parametrize("texts", [(), ("v=spf1 -all", "v=spf1 ~all"), ("v=spf1 bad -all",)])
    @pytest.mark.parametrize("term", ["include:other.test -all", "redirect=other.test"])
    def test_a_reference_to_no_valid_record_breaks_the_own_one(self, dns_server, texts, term):
        if texts:
            dns_server.txt("other.test", *texts)

        record = spf(dns_server, f"v=spf1 {term}")

        assert (record["verdict"], codes(record)) == ("wrong", ["spf_included"])
        assert record["advice"][0]["params"] == {"name": "other.test"}

    def test_an_included_record_that_cannot_be_asked_for_leaves_it_unknown(self, dns_server):
        dns_server.fail("other.test")

        record = spf(dns_server, "v=spf1 include:other.test -all", hosts=("smtp.gmail.com",))

        assert (record["verdict"], codes(record)) == ("unknown", ["dns_failed"])
        assert record["wanted"] == "v=spf1 include:other.test -all"

    def test_a_host_that_cannot_be_asked_for_leaves_it_unknown(self, dns_server):
        dns_server.fail("smtp.alitools.test")

        record = spf(dns_server, "v=spf1 mx -all", hosts=("smtp.alitools.test",))

        assert (record["verdict"], codes(record)) == ("unknown", ["spf_host_unknown"])

    def test_what_follows_all_counts_for_nothing(self, dns_server):
        assert spf(dns_server, "v=spf1 mx -all include:no.test redirect=no.test")["verdict"] == "ok"

    def test_a_macro_is_taken_as_it_is(self, dns_server):
        text = "v=spf1 include:%{ir}.%{v}._spf.%{d2} exists:%{l1r-}.x.test -all"

        assert spf(dns_server, text)["verdict"] == "ok"

    def test_a_large_record_set_comes_over_tcp(self, dns_server):
        dns_server.truncate(NAME)

        assert spf(dns_server, "v=spf1 mx -all", "x" * 2000)["verdict"] == "ok"


class TestDkim:
    @pytest.mark.parametrize("record", [RSA, ED25519], ids=["rsa", "ed25519"])
    def test_our_key_is_right(self, dns_server, record):
        report = dkim(dns_server, record, record=record)

        assert (report["type"], report["name"]) == ("TXT", f"sc1._domainkey.{NAME}")
        assert report["wanted"] == record
        assert (report["verdict"], report["advice"]) == ("ok", [])

    @pytest.mark.parametrize(
        "text",
        [
            RSA.replace("; ", ";") + ";",
            RSA.replace("v=DKIM1; k=rsa; ", ""),
            RSA[:200] + "  " + RSA[200:],
            RSA.replace("k=rsa", "k = rsa ; n=note; t=s"),
        ],
    )
    def test_another_spelling_of_our_key_is_right_too(self, dns_server, text):
        assert dkim(dns_server, text)["verdict"] == "ok"

    def test_a_key_behind_an_alias_is_right(self, dns_server):
        dns_server.cname(f"sc1._domainkey.{NAME}", "key.hosting.test")
        dns_server.txt("key.hosting.test", RSA)

        assert dkim(dns_server)["verdict"] == "ok"

    @pytest.mark.parametrize(
        ("texts", "verdict", "code"),
        [
            ([], "missing", "dkim_missing"),
            ([RSA, ED25519], "wrong", "dkim_several"),
            ([generate_rsa().public_record], "wrong", "dkim_other_key"),
            ([RSA.replace("k=rsa", "k=ed25519")], "wrong", "dkim_other_key"),
            (["v=DKIM1; k=rsa; p="], "wrong", "dkim_revoked"),
            ([RSA[:255]], "wrong", "dkim_cut_off"),
            ([f'"{RSA}"'], "wrong", "dkim_malformed"),
            ([RSA.replace(";", "\\;")], "wrong", "dkim_malformed"),
            ([RSA.replace("DKIM1", "DKIM2")], "wrong", "dkim_malformed"),
            ([RSA + "; p=x"], "wrong", "dkim_malformed"),
            (["v=spf1 -all"], "wrong", "dkim_malformed"),
            ([RSA + "; t=s:y"], "warning", "dkim_testing"),
        ],
    )
    def test_what_is_not_our_key_says_why(self, dns_server, texts, verdict, code):
        report = dkim(dns_server, *texts)

        assert (report["verdict"], codes(report)) == (verdict, [code])
        assert report["wanted"] == RSA

    def test_a_name_with_the_domain_twice_is_found(self, dns_server):
        dns_server.txt(f"sc1._domainkey.{NAME}.{NAME}", RSA)

        report = dkim(dns_server)

        assert (report["verdict"], codes(report)) == ("missing", ["doubled_name"])

    def test_a_further_key_leaves_the_verdict_alone(self, dns_server):
        dns_server.txt(f"sc1._domainkey.{NAME}", RSA)

        report = check(dns_server)

        assert report["dkim"]["verdict"] == "ok"
        assert [key["verdict"] for key in report["dkim"]["keys"]] == ["ok", "missing"]
        assert verified_selectors(report) == ["sc1"]

    def test_a_domain_without_a_key_is_told_so(self, dns_server):
        report = check(dns_server, keys=())

        assert codes(report["dkim"]) == ["dkim_no_key"]
        assert verified_selectors(report) == []


class TestDmarc:
    @pytest.mark.parametrize(
        "text",
        [
            "v=DMARC1; p=reject",
            "v=DMARC1;p=Quarantine;",
            "v=DMARC1; p=reject; rua=mailto:a@x.test, mailto:b@y.test!10m; adkim=s; pct=50",
        ],
    )
    def test_a_policy_that_acts_is_right(self, dns_server, text):
        record = dmarc(dns_server, "unrelated", text)

        assert (record["verdict"], record["advice"]) == ("ok", [])
        assert (record["type"], record["name"]) == ("TXT", f"_dmarc.{NAME}")
        assert record["found"] == [text]
        assert record["wanted"] == text

    @pytest.mark.parametrize(
        ("texts", "verdict", "code", "wanted"),
        [
            ([], "missing", "dmarc_missing", "v=DMARC1; p=quarantine"),
            (["unrelated"], "missing", "dmarc_missing", "v=DMARC1; p=quarantine"),
            (
                ["v=DMARC1; p=none; rua=mailto:a@x.test"],
                "warning",
                "dmarc_none",
                "v=DMARC1; p=quarantine; rua=mailto:a@x.test",
            ),
            (["v=DMARC1; p=reject; rua=a@x.test"], "warning", "dmarc_rua", "v=DMARC1; p=reject"),
            (["v=DMARC1; p=block"], "wrong", "dmarc_policy", "v=DMARC1; p=quarantine"),
            (["v=DMARC1"], "wrong", "dmarc_policy", "v=DMARC1; p=quarantine"),
            (["v=DMARC1; reject"], "wrong", "dmarc_malformed", "v=DMARC1; p=quarantine"),
            (['"v=DMARC1; p=reject"'], "wrong", "dmarc_malformed", "v=DMARC1; p=quarantine"),
            (
                ["v=DMARC1; p=reject", "v=DMARC1; p=none"],
                "wrong",
                "dmarc_several",
                "v=DMARC1; p=quarantine",
            ),
        ],
    )
    def test_other_records_say_what_to_publish(self, dns_server, texts, verdict, code, wanted):
        record = dmarc(dns_server, *texts)

        assert (record["verdict"], codes(record)) == (verdict, [code])
        assert record["wanted"] == wanted

    def test_a_subdomain_inherits_the_policy_above_it(self, dns_server):
        dns_server.txt("_dmarc.alitools.test", "v=DMARC1; p=reject")

        record = dmarc(dns_server, name="news.mail.alitools.test")

        assert record["verdict"] == "ok"
        assert record["name"] == "_dmarc.alitools.test"

    def test_the_policy_for_subdomains_counts_there(self, dns_server):
        dns_server.txt("_dmarc.alitools.test", "v=DMARC1; p=reject; sp=none")

        record = dmarc(dns_server, name="news.alitools.test")

        assert (record["verdict"], codes(record)) == ("warning", ["dmarc_none"])
        assert record["name"] == "_dmarc.news.alitools.test"
        assert record["wanted"] == "v=DMARC1; p=quarantine"

    def test_the_own_record_wins_over_the_one_above(self, dns_server):
        dns_server.txt("_dmarc.alitools.test", "v=DMARC1; p=none")

        record = dmarc(dns_server, "v=DMARC1; p=reject", name="news.alitools.test")

        assert record["verdict"] == "ok"

    def test_a_parent_that_cannot_be_asked_leaves_it_unknown(self, dns_server):
        dns_server.fail("_dmarc.alitools.test")

        assert dmarc(dns_server, name="news.alitools.test")["verdict"] == "unknown"

    def test_the_walk_up_is_short(self, dns_server):
        dmarc(dns_server, name="a.b.c.d.e.f.g.h.i.j.alitools.test")

        asked = [name for name, _, _ in dns_server.queries if name.startswith("_dmarc.")]
        assert len(asked) == 6
        assert asked[-1] == "_dmarc.alitools.test"


class TestMx:
    def test_exchangers_with_addresses_are_right(self, dns_server):
        dns_server.a("mx1.alitools.test", "192.0.2.1")
        dns_server.aaaa("mx2.alitools.test", "2001:db8::1")

        record = mx(dns_server, "10 mx1.alitools.test", "20 mx2.alitools.test")

        assert (record["verdict"], record["advice"]) == ("ok", [])
        assert (record["type"], record["name"]) == ("MX", NAME)
        assert sorted(record["found"]) == ["10 mx1.alitools.test", "20 mx2.alitools.test"]
        assert sorted(record["wanted"].split("\n")) == sorted(record["found"])

    @pytest.mark.parametrize(
        ("values", "verdict", "code"),
        [
            ([], "missing", "mx_missing"),
            (["0 ."], "warning", "mx_null"),
            (["10 192.0.2.1"], "wrong", "mx_not_a_name"),
            (["10 alias.test"], "wrong", "mx_alias"),
            (["10 nowhere.test"], "wrong", "mx_no_address"),
            (["10 broken.test"], "unknown", "dns_failed"),
        ],
    )
    def test_others_say_what_is_wrong(self, dns_server, values, verdict, code):
        dns_server.a("host.test", "192.0.2.1")
        dns_server.cname("alias.test", "host.test")
        dns_server.fail("broken.test")

        record = mx(dns_server, *values)

        assert (record["verdict"], codes(record)) == (verdict, [code])
        assert record["wanted"] == f"10 mail.{NAME}"

    def test_the_right_ones_among_wrong_ones_stay(self, dns_server):
        dns_server.a("host.test", "192.0.2.1")

        record = mx(dns_server, "10 host.test", "20 nowhere.test", "30 .")

        assert record["verdict"] == "wrong"
        assert sorted(codes(record)) == ["mx_no_address", "mx_not_a_name"]
        assert record["wanted"] == "10 host.test"

    def test_our_own_smtp_host_is_the_likely_exchanger(self, dns_server):
        record = mx(dns_server, hosts=("smtp.gmail.com", "SMTP.alitools.test"))

        assert record["wanted"] == "10 smtp.alitools.test"
