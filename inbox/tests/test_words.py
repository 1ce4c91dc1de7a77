"""Header text, parameters and addresses from outside."""

from __future__ import annotations

import pytest

from inbox import words


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=?utf-8?q?Encomenda_n=C2=BA_1?=", "Encomenda nº 1"),
        ("=?utf-8?b?w6fD?= =?utf-8?b?o28=?= fim", "ção fim"),
        ("=?iso-8859-1?Q?a?= =?utf-8?Q?=C3=A7?= b", "aç b"),
        ("=?utf-8?q?a=0D=0ABcc:_evil@x.test?=", "a Bcc: evil@x.test"),
        ("=?utf-8?b?DQpCY2M6IHg=?=", "Bcc: x"),
        ("=?utf-8?q?=E2=80=A8a=00b?=", "a\N{REPLACEMENT CHARACTER}b"),
        ("=?rot13?q?cyan?=", "cyan"),
        ("=?idna?q?=C3=A7?=", "ç"),
        ("=?utf-8?b?a?=", "a"),
        ("a  b\tc", "a b c"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}exe", "exe"),
    ],
)
def test_a_header_is_one_line_of_plain_text(value, shown):
    assert words.header_text(value) == shown


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        (b"Ol\xe1", "iso-8859-1", "Olá"),
        (b"Ol\xe1", "", "Olá"),
        ("Olá".encode(), "us-ascii", "Olá"),
        (b"\x93a\x94", "ISO-8859-1", "\N{REPLACEMENT CHARACTER}a\N{REPLACEMENT CHARACTER}"),
        (b"\x93a\x94", "windows-1252", "“a”"),
        ("日本".encode("iso2022_jp"), "ISO-2022-JP", "日本"),
        ("你好".encode("gb18030"), "gb2312", "你好"),
        (b"a\xff", "bogus", "a\N{REPLACEMENT CHARACTER}"),
        (b"a\0b\x1b", "utf-8", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
        (b"+2AA-", "utf-7", "?"),
    ],
)
def test_a_text_is_decoded_or_replaced(data, charset, text):
    assert words.decoded(data, charset) == text


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        ('text/plain; charset="utf-8"', "charset", "utf-8"),
        (r'a/b; name="a\"b;c"; x=y', "name", 'a"b;c'),
        ("a/b; name*=utf-8''fatura%20n%C2%BA%201", "name", "fatura nº 1"),
        ("a/b; name*0*=utf-8'pt'%C3; name*1*=%A7; name*2=o", "name", "ço"),
        ("a/b; name*1=b; name*0=a", "name", "ab"),
    ],
)
def test_parameters_are_read_in_all_their_forms(value, name, text):
    assert words.parameters(value)[1][name] == text


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Ana <ana@Example.COM>", [("ana@example.com", "Ana")]),
        ('"Silva, Ana" <a@b.test>, c@d.test', [("a@b.test", "Silva, Ana"), ("c@d.test", "")]),
        ("=?utf-8?q?Jo=C3=A3o?= <j@b.test>", [("j@b.test", "João")]),
        ('"evil@x.test" <a@b.test>', [("a@b.test", "evil@x.test")]),
        ("a@b.test (work (x))", [("a@b.test", "")]),
        ("undisclosed-recipients:;", []),
        ("Team: a@b.test, c@d.test;", [("a@b.test", ""), ("c@d.test", "")]),
        ("=?utf-8?q?a=0D=0AX?= <a@b.test>", [("a@b.test", "a X")]),
        ("a@b.test@evil", []),
        ("<>", []),
        ("", []),
    ],
)
def test_addresses_are_found_or_left_out(value, found):
    assert words.address_list(value) == found
