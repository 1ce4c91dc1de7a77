"""Links and an invisible image that tell of clicks and opens, put into a message's HTML.

One pass over the tags as the HTML standard reads them (section 13.2.5), in time that grows with
the length alone, whatever the HTML is like. All that is not a tracked link stays byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from html import unescape
from html.entities import html5
from typing import NamedTuple

LinkOf = Callable[[str], str | None]
Edit = tuple[int, int, str]
KEPT_TAGS = 2048
LONGEST_KEPT = 2_000
"""Characters of a tag that is kept, read, for the next messages."""

_SPACE = "\t\n\f\r "
_RAW = "style|script|textarea|title"
_VALUE = rf"""(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^{_SPACE}>"'][^{_SPACE}>]*+)"""
_REST = rf"[^>=]*+(?:=[{_SPACE}]*+{_VALUE}?+[^>=]*+)*+(?:>|\Z)"
# The first letter of most tags tells already that they are none of those.
_OTHER = rf"(?:[b-ru-z/]{_REST}|(?!!--|(?:a|area|{_RAW})[{_SPACE}/>])(?:[a-z/]{_REST})?+)"
_NEXT = re.compile(
    rf"[^<]*+(?:<{_OTHER}[^<]*+)*+"
    rf"(?:<(?:(?P<comment>!--)|(?P<link>a|area)(?=[{_SPACE}/>])|(?P<raw>{_RAW})(?=[{_SPACE}/>])))?",
    re.IGNORECASE | re.ASCII,
)
"""Runs over all up to the next link, comment, or element whose content is no HTML."""
_DOUBLE = r'"(?P<double>[^"]*+)(?:"|\Z)'
_SINGLE = r"'(?P<single>[^']*+)(?:'|\Z)"
_BARE = rf"""(?P<bare>[^{_SPACE}>"'][^{_SPACE}>]*+)"""
_ONE = (
    rf"[{_SPACE}/]*+(?P<name>[^{_SPACE}/>][^{_SPACE}/>=]*+)"
    rf"(?:[{_SPACE}]*+=[{_SPACE}]*+(?:{_DOUBLE}|{_SINGLE}|{_BARE}))?"
)
_ATTRIBUTE = re.compile(_ONE)
_ATTRIBUTES = re.compile(f"(?:{_ONE})*+")
_REFERENCE = re.compile(r"&(?:#[0-9]++;?|#[xX][0-9a-fA-F]++;?|[A-Za-z][A-Za-z0-9]*+(?:;|(?!=)))")
_BODY_END = re.compile(rf"</body(?=[{_SPACE}/>])", re.IGNORECASE)


def tracked(html: str, *, link_of: LinkOf | None, pixel: str) -> str:
    """Return ``html`` with what ``link_of`` says for each link's target, and with a pixel.

    ``link_of`` is asked about the targets of ``<a>`` and ``<area>`` and returns None for one that
    has to stay; None in its place leaves all links. A link with ``data-no-track`` stays too, but
    without that attribute. ``pixel`` is the image's address, empty for none.
    """
    if link_of is not None:
        html = _edited(html, _edits(html, link_of))
    return _with_pixel(html, pixel) if pixel else html


def _edited(html: str, edits: Iterator[Edit]) -> str:
    pieces, done = [], 0
    for start, end, text in edits:
        pieces += [html[done:start], text]
        done = end
    return "".join([*pieces, html[done:]])


def _edits(html: str, link_of: LinkOf) -> Iterator[Edit]:
    at = 0
    while at < len(html) and (found := _NEXT.match(html, at)):
        at = found.end()
        if found["comment"]:
            end = html.find("-->", at - 2)  # <!--> is a whole comment
            at = end if end >= 0 else len(html)
        elif found["raw"]:
            end_tag = re.compile(f"</{found['raw']}", re.IGNORECASE).search(html, at)
            at = end_tag.start() if end_tag else len(html)
        elif found["link"]:
            at, edits = _link_edits(html, at, link_of)
            yield from edits


def _link_edits(html: str, at: int, link_of: LinkOf) -> tuple[int, list[Edit]]:
    """Return where the attributes that begin at ``at`` end, and what changes in them."""
    end = _ATTRIBUTES.match(html, at).end()  # type: ignore[union-attr]  # it also matches nothing
    attributes = html[at:end]
    tag = _tag(attributes) if len(attributes) <= LONGEST_KEPT else _read_tag(attributes)
    if tag.removals:
        return end, [(at + start, at + stop, "") for start, stop in tag.removals]
    if tag.target is None or end == len(html):  # a tag without its end is none
        return end, []
    link = link_of(tag.target)
    return end, [] if link is None else [(at + tag.start, at + tag.end, link)]


class _Tag(NamedTuple):
    """Where in a link's attributes its ``target`` stands, and what has to go."""

    target: str | None
    start: int
    end: int
    removals: list[tuple[int, int]]


def _read_tag(attributes: str) -> _Tag:
    href = None
    removals = []
    for attribute in _ATTRIBUTE.finditer(attributes):
        name = attribute["name"].lower()
        if name == "href":
            href = href or attribute
        elif name == "data-no-track":
            removals.append(attribute.span())
    if href is None:
        return _Tag(None, 0, 0, removals)
    kind = href.lastgroup or "name"
    target = _unescaped(href[kind]).strip(_SPACE) if kind != "name" else ""
    return _Tag(target, *href.span(kind), removals)


_tag = lru_cache(KEPT_TAGS)(_read_tag)
"""The messages of a batch hold the same tags."""


def _unescaped(value: str) -> str:
    """Return what an attribute's value means: there ``&copy=1`` holds no character reference."""
    return _REFERENCE.sub(_character, value) if "&" in value else value


def _character(reference: re.Match[str]) -> str:
    text = reference[0]
    return unescape(text) if text[1] == "#" else html5.get(text[1:], text)


def _with_pixel(html: str, address: str) -> str:
    """Return ``html`` with an invisible image before the last ``</body>``, else at its end."""
    at = max(html.rfind("</body>"), html.rfind("</BODY>"))
    if at < 0:
        at = max((end.start() for end in _BODY_END.finditer(html)), default=len(html))
    image = f'<img src="{address}" alt="" width="1" height="1" style="border:0">'
    return f"{html[:at]}{image}{html[at:]}"
