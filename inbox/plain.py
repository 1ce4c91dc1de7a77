"""What a person wrote: text out of HTML, and a reply without what it quotes.

Linear in the length: whatever is opened and never closed ends the text, instead of being looked
for again.
"""

from __future__ import annotations

import re
from html import unescape

_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]{0,20})")
_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7}(?![0-9])|#[xX][0-9A-Fa-f]{1,6}(?![0-9A-Fa-f])|[A-Za-z][A-Za-z0-9]{1,31});?"
)
_SPACES = re.compile(r"\s+")
_BLANK_LINES = re.compile(r"\n{3,}")
_DROPPED = frozenset({"script", "style", "title", "template", "noscript"})
_BLOCKS = (
    "address article aside blockquote br dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol p pre section table tr ul"
)
_BREAKING = frozenset(_BLOCKS.split())
_CLOSING = {name: re.compile(rf"</{name}\b", re.IGNORECASE) for name in _DROPPED}

LONGEST_ATTRIBUTION = 300
# How mail programs introduce what they quote, a line at a time.
_ATTRIBUTION = re.compile(
    r"(on\b.*\bwrote|(em|a|no dia)\b.*\bescreveu|el\b.*\bescribi[oó]|le\b.*\ba [eé]crit"
    r"|am\b.*\bschrieb\b.*|il\b.*\bha scritto|op\b.*\bschreef\b.*)\s*:",
    re.IGNORECASE,
)
_DIVIDER = re.compile(
    r"-{2,}\s*(original message|mensagem original|mensaje original|message d'origine"
    r"|urspr[uü]ngliche nachricht|messaggio originale)\s*-{2,}|_{20,}",
    re.IGNORECASE,
)
_OUTLOOK_FROM = re.compile(r"\*?(from|de|von|da|van)\s?:\*?\s", re.IGNORECASE)
_OUTLOOK_SENT = re.compile(
    r"\*?(sent|date|enviad[ao]( em| el)?|data|fecha|gesendet|datum|envoy[eé]|inviato)\s?:",
    re.IGNORECASE,
)
_FROM_A_PHONE = re.compile(
    r"(sent from my |get outlook for |enviado do meu |enviado a partir do |enviado desde mi "
    r"|obter o outlook para |von meinem \S+ gesendet|envoy[eé] de mon )",
    re.IGNORECASE,
)


def text_of_html(html: str) -> str:
    """Return the words of ``html``, a line for each block; no script, style or comment."""
    pieces: list[str] = []
    position = 0
    while (tag := html.find("<", position)) >= 0:
        pieces.append(_SPACES.sub(" ", html[position:tag]))
        position, piece = _after_markup(html, tag)
        pieces.append(piece)
    pieces.append(_SPACES.sub(" ", html[position:]))
    words = _ENTITY.sub(lambda found: unescape(found[0]), "".join(pieces))
    lines = (" ".join(line.split()) for line in words.replace("\0", "").split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _after_markup(html: str, at: int) -> tuple[int, str]:
    """Return where the text goes on after the markup that begins there, and what it leaves."""
    if html.startswith("<!", at):
        closing = "-->" if html.startswith("<!--", at) else ">"
        return _after(html, closing, at + 2), ""
    tag = _TAG.match(html, at)
    if tag is None:
        return at + 1, "<"
    end = _after(html, ">", tag.end())
    name = tag[1].lower()
    if name in _DROPPED and html[at + 1] != "/":
        found = _CLOSING[name].search(html, end)
        return (found.start() if found else len(html)), ""
    if name in ("td", "th"):
        return end, " "
    return end, "\n" if name in _BREAKING else ""


def _after(html: str, closing: str, start: int) -> int:
    found = html.find(closing, start)
    return len(html) if found < 0 else found + len(closing)


def reply_of(text: str) -> str:
    """Return what is new in ``text``: without quotes, their introduction and the signature.

    A mail that is nothing but these is returned whole.
    """
    lines = text.split("\n")
    kept: list[str] = []
    number = 0
    while number < len(lines):
        line = lines[number].strip()[:LONGEST_ATTRIBUTION]
        if lines[number].rstrip("\r") in ("-- ", "--") or _begins_history(lines, number):
            break
        introducing = _introducing(lines, number)
        if introducing and not _is_quote_after(lines, number + introducing):
            break
        if not introducing and not line.startswith(">") and not _FROM_A_PHONE.match(line):
            kept.append(lines[number].rstrip())
        number += introducing or 1
    return _BLANK_LINES.sub("\n\n", "\n".join(kept)).strip() or text.strip()


def _introducing(lines: list[str], number: int) -> int:
    """Return how many lines, from there on, introduce a quote; mail programs fold the line."""
    whole = ""
    for count, line in enumerate(lines[number : number + 3], start=1):
        if not line.strip() or len(whole) + len(line) > LONGEST_ATTRIBUTION:
            return 0
        whole = f"{whole} {line.strip()}".strip()
        if _ATTRIBUTION.fullmatch(whole):
            return count
    return 0


def _is_quote_after(lines: list[str], number: int) -> bool:
    for line in lines[number : number + 3]:
        if line.strip():
            return line.lstrip().startswith(">")
    return False


def _begins_history(lines: list[str], number: int) -> bool:
    line = lines[number].strip()[:LONGEST_ATTRIBUTION]
    if _DIVIDER.fullmatch(line):
        return True
    following = lines[number + 1].strip() if number + 1 < len(lines) else ""
    return bool(_OUTLOOK_FROM.match(line) and _OUTLOOK_SENT.match(following))
