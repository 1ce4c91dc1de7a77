"""What a sender should know of a mail before it goes: what clients cut, hide or mistrust."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from lxml import html  # type: ignore[import-untyped]  # the package ships no types

GMAIL_CLIPS = 102 * 1024
LONG_SUBJECT = 70
LITTLE_TEXT = 40
MOST_OF_A_KIND = 20
BULK_TYPES = frozenset(
    [
        *["bulk", "campaign", "marketing", "news", "newsletter", "promo", "promotion"],
        *["promotional", "announcement", "boletim", "campanha", "promocao", "promoção"],
    ]
)
UNSUPPORTED = frozenset(
    ["script", "form", "input", "button", "iframe", "object", "embed", "video", "audio", "svg"]
)
MODERN_LAYOUT = re.compile(r"(?:^|;)\s*(?:display\s*:\s*(?:inline-)?(?:flex|grid)|float\s*:)")
TABLE_PARTS = frozenset(["th", "caption", "thead"])
HOST = re.compile(r"[^\s.]+(?:\.[^\s.]+)+|localhost|\[[0-9a-f:.]+\]", re.IGNORECASE)


class Level(StrEnum):
    """How much a finding matters."""

    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing to know; ``line`` is that of the source, None where it stands nowhere in it."""

    code: str
    text: str
    level: Level = Level.WARNING
    line: int | None = None


@dataclass(frozen=True)
class Mail:
    """A rendered message and the template it came from.

    ``own_url`` is where our links lead, which a sender can't change. ``reads`` are the variables.
    """

    subject: str
    html: str
    text: str
    source: str
    template_type: str = ""
    reads: tuple[str, ...] = ()
    own_url: str = ""

    @property
    def is_bulk(self) -> bool:
        return self.template_type.strip().casefold() in BULK_TYPES

    @property
    def html_bytes(self) -> int:
        return len(self.html.encode())

    def line_of(self, text: str | None) -> int | None:
        """Return the line of the source that ``text`` stands on."""
        place = self.source.find(text) if text else -1
        return None if place < 0 else self.source.count("\n", 0, place) + 1


Check = Callable[[Mail, Any], Iterator[Finding]]


def findings(mail: Mail) -> list[Finding]:
    """Return what to know of ``mail``, warnings first."""
    found: dict[Finding, None] = {}
    document = _parsed(mail.html)
    for check in CHECKS:
        found.update(dict.fromkeys(islice(check(mail, document), MOST_OF_A_KIND)))
    return sorted(found, key=lambda one: one.level is Level.NOTE)


def _parsed(source: str) -> Any:
    """Return the HTML as a tree, None where there is none; comments (Outlook's) are left out."""
    if not source.strip():
        return None
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        return html.document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except (ValueError, html.etree.ParserError):
        return None


def _all(document: Any, *names: str) -> Iterator[Any]:
    return iter(()) if document is None else document.iter(*names)


# What the mail as a whole is


def subject_length(mail: Mail, document: Any) -> Iterator[Finding]:
    length = len(mail.subject.strip())
    if not length:
        yield Finding("no_subject", _("The subject is empty."))
    elif length > LONG_SUBJECT:
        text = _("The subject has %(length)d characters; phones show about 40, most clients 70.")
        yield Finding("long_subject", text % {"length": length}, Level.NOTE)


def size(mail: Mail, document: Any) -> Iterator[Finding]:
    """Gmail shows the first 102 KB of the HTML and hides the rest behind a link."""
    if mail.html_bytes > GMAIL_CLIPS:
        text = _("The HTML is %(size)d KB; Gmail cuts it off at 102 KB.")
        yield Finding("clipped", text % {"size": mail.html_bytes // 1024})


def unsubscribing(mail: Mail, document: Any) -> Iterator[Finding]:
    """Bulk mail has the header of RFC 8058 anyway; readers look for the link."""
    if "unsubscribe_url" in mail.reads:
        return
    if mail.is_bulk:
        text = _("Mail to many needs a way out: link to {{ unsubscribe_url }}.")
        yield Finding("no_unsubscribe", text)
    else:
        text = _("There is no {{ unsubscribe_url }}; mail to many needs it.")
        yield Finding("no_unsubscribe", text, Level.NOTE)


def words(mail: Mail, document: Any) -> Iterator[Finding]:
    if document is None:
        return
    written = " ".join(document.text_content().split())
    if len(written) < LITTLE_TEXT and next(_all(document, "img"), None) is not None:
        text = _("Almost all of it is pictures, which many clients don't load at first.")
        yield Finding("only_images", text)


def language(mail: Mail, document: Any) -> Iterator[Finding]:
    root = next(_all(document, "html"), None)
    if root is not None and root.get("lang", "und") in ("", "und"):
        text = _('The language is not told (<html lang="…">); screen readers guess it.')
        yield Finding(
            "no_language", text, Level.NOTE, mail.line_of("<html") or mail.line_of("<mjml")
        )


def dark_mode(mail: Mail, document: Any) -> Iterator[Finding]:
    if document is not None and "color-scheme" not in mail.html:
        text = _("It says nothing of dark mode, so clients choose the colours themselves.")
        yield Finding("no_dark_mode", text, Level.NOTE)


# Pictures


def alternative_texts(mail: Mail, document: Any) -> Iterator[Finding]:
    for image in _all(document, "img"):
        if image.get("alt") is None:
            text = _("A picture has no alternative text; a decoration has an empty one.")
            yield Finding("no_alt", text, line=mail.line_of(image.get("src")))
    for link in _all(document, "a"):
        images = list(link.iter("img"))
        texts = [link.text_content(), *(image.get("alt") or "" for image in images)]
        if images and not any(text.strip() for text in texts):
            text = _("A link is nothing but a picture without a text.")
            yield Finding("silent_link", text, line=mail.line_of(images[0].get("src")))


def pictures(mail: Mail, document: Any) -> Iterator[Finding]:
    for image in _all(document, "img"):
        address = (image.get("src") or "").strip()
        if found := _problem_of_picture(mail, address):
            code, text = found
            shown = text % {"address": address[:100] or "–"}
            yield Finding(code, shown, line=mail.line_of(address[:100]))
        elif not image.get("width"):
            text = _("A picture has no width attribute; Outlook shows it in its full size.")
            yield Finding("no_width", text, Level.NOTE, mail.line_of(address))


def _problem_of_picture(mail: Mail, address: str) -> tuple[str, str] | None:
    if address.startswith("data:"):
        text = _("Gmail and Outlook show no picture that is written into the HTML (data:).")
        return "data_image", text
    parts = urlsplit_or_none(address)
    if parts is None or parts.scheme not in ("http", "https", "cid"):
        return "broken_image", _("The address of a picture is broken: %(address)s")
    if parts.scheme == "http" and not _is_own(mail, address):
        text = _("A picture comes by http, which many clients refuse: %(address)s")
        return "http_image", text
    if parts.path.lower().endswith(".svg"):
        return "svg_image", _("Gmail and Outlook show no SVG picture.")
    return None


# Links


def links(mail: Mail, document: Any) -> Iterator[Finding]:
    for link in _all(document, "a", "area"):
        address = (link.get("href") or "").strip()
        code, problem = "broken_link", _problem_of(address) if "href" in link.attrib else None
        if problem is None and address.startswith("http://") and not _is_own(mail, address):
            code, problem = "http_link", _("A link leads to http, not https: %(address)s")
        if problem is not None:
            label = " ".join(link.text_content().split())
            line = mail.line_of(address if address != "#" else "") or mail.line_of(label)
            yield Finding(code, problem % {"address": address[:100] or "–"}, line=line)


def _problem_of(address: str) -> str | None:
    scheme, colon, rest = address.partition(":")
    if address in ("", "#"):
        return _("A link leads nowhere: %(address)s")
    if address.startswith("#"):
        return None
    if not colon or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme, re.IGNORECASE):
        return _("A link is not complete, it needs https:// at its beginning: %(address)s")
    if scheme.lower() in ("http", "https"):
        parts = urlsplit_or_none(address)
        is_right = parts is not None and HOST.fullmatch(parts.hostname or "")
        return None if is_right else _("The address of a link is broken: %(address)s")
    if scheme.lower() == "mailto":
        return None if "@" in rest else _("The address of a link is broken: %(address)s")
    if scheme.lower() in ("tel", "sms", "cid"):
        return None
    return _("Clients follow no such link: %(address)s")


def urlsplit_or_none(address: str) -> Any:
    """Return the parts of ``address``, None where it has a space or can't be taken apart."""
    try:
        parts = urlsplit(address)
        _port = parts.port
    except ValueError:
        return None
    return None if re.search(r"\s", address) else parts


def _is_own(mail: Mail, address: str) -> bool:
    return bool(mail.own_url) and address.startswith(mail.own_url)


# What clients leave out


def unsupported(mail: Mail, document: Any) -> Iterator[Finding]:
    for element in _all(document, *UNSUPPORTED):
        text = _("Mail clients take <%(name)s> out.")
        line = mail.line_of(f"<{element.tag}")
        yield Finding("unsupported", text % {"name": element.tag}, line=line)
    for sheet in _all(document, "link"):
        if "stylesheet" in (sheet.get("rel") or "").lower():
            text = _("Mail clients load no style sheet from elsewhere.")
            yield Finding("remote_style", text, line=mail.line_of(sheet.get("href")))


def unknown_mjml(mail: Mail, document: Any) -> Iterator[Finding]:
    if document is None:
        return
    for element in document.iter():
        if isinstance(element.tag, str) and element.tag.startswith("mj-"):
            text = _("MJML has no <%(name)s>, or not at this place.")
            line = mail.line_of(f"<{element.tag}")
            yield Finding("unknown_mjml", text % {"name": element.tag}, line=line)


def outlook(mail: Mail, document: Any) -> Iterator[Finding]:
    for element in [] if document is None else document.iter():
        style = (element.get("style") or "").lower() if isinstance(element.tag, str) else ""
        if MODERN_LAYOUT.search(style):
            text = _("Outlook on Windows ignores flex, grid and float; lay out with tables.")
            yield Finding("modern_layout", text, Level.NOTE, mail.line_of(element.get("style")))
            return


def layout_tables(mail: Mail, document: Any) -> Iterator[Finding]:
    for table in _all(document, "table"):
        is_data = any(part.tag in TABLE_PARTS for part in table.iter(*TABLE_PARTS))
        if table.get("role") is None and not is_data:
            text = _('A table has neither role="presentation" nor headings (<th>).')
            yield Finding("table_role", text, Level.NOTE, mail.line_of("<table"))
            return


CHECKS: tuple[Check, ...] = (
    subject_length,
    size,
    unsubscribing,
    words,
    alternative_texts,
    pictures,
    links,
    unsupported,
    unknown_mjml,
    outlook,
    layout_tables,
    language,
    dark_mode,
)
