"""What a person wrote, without what programs put around it."""

from __future__ import annotations

import pytest

from inbox.plain import reply_of, text_of_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Olá <b>Ana</b></p><p>fim</p>", "Olá Ana\n\nfim"),
        ("a<!-- hidden -->b<script>x < 1</script>c<style>p{}</style>", "abc"),
        ("<title>t</title>1 &lt; 2 &amp; &eacute;&#8364;", "1 < 2 & é€"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("a <br/>\n b", "a\nb"),
        ("1 < 2", "1 < 2"),
        ("a<!-- never closed", "a"),
        ("a<script>never closed", "a"),
        ("a<b", "a"),
        ("&#99999999999999999999999;", "&#99999999999999999999999;"),
    ],
)
def test_html_becomes_its_words(html, text):
    assert text_of_html(html) == text


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("Yes.\n\nOn Thu, 15 Jan 2026, Shop <s@shop.test> wrote:\n> Hi\n> Bye", "Yes."),
        ("Yes.\n\nOn Thu, 15 Jan 2026 at 10:30\nShop <s@shop.test> wrote:\n\n> Hi", "Yes."),
        ("Sim.\n\nEm 15/01/2026 às 10:30, Loja escreveu:\nOlá\nAté", "Sim."),
        ("Oui.\n\nLe 15 janv. 2026, Shop a écrit :\n> Hi", "Oui."),
        ("Ja.\n\nAm 15.01.2026 um 10:30 schrieb Shop:\n> Hi", "Ja."),
        ("Sí.\n\nEl jue, 15 ene 2026, Shop escribió:\n> Hi", "Sí."),
        ("Yes.\n\n-----Original Message-----\nFrom: x\nHi", "Yes."),
        ("Sim.\n\nDe: Loja <s@shop.test>\nEnviado: quinta-feira\nPara: Ana\nOlá", "Sim."),
        ("Yes.\n\n-- \nAna\nExample Ltd", "Yes."),
        ("Yes.\n\nSent from my iPhone", "Yes."),
        ("On it, he wrote:\nplease wait", "On it, he wrote:\nplease wait"),
        ("On Thu, Shop wrote:\n> first?\nyes\n> second?\nno", "yes\nno"),
        ("> only a quote", "> only a quote"),
        ("", ""),
    ],
)
def test_a_reply_is_what_is_new(text, new):
    assert reply_of(text) == new
