"""A mail as other clients than a browser show it, roughly: dark, or by Word's engine.

An approximation for a preview: what they do to colours and to CSS that they don't know, not their
every fault.
"""

from __future__ import annotations

import re

from django.db import models
from django.utils.translation import gettext_lazy as _


class Client(models.TextChoices):
    """Who shows the mail."""

    USUAL = "usual", _("Light")
    DARK = "dark", _("Dark")
    INVERTED = "inverted", _("Dark, colours inverted")
    OUTLOOK = "outlook", _("Outlook on Windows")


DARK_QUERY = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)", re.IGNORECASE)
LIGHT_QUERY = re.compile(r"\(\s*prefers-color-scheme\s*:\s*light\s*\)", re.IGNORECASE)
KNOWS_DARK = re.compile(r"color-scheme[^>;]{0,100}\bdark\b", re.IGNORECASE)
FOR_OUTLOOK = re.compile(r"<!--\[if (?!!|lte? )[^\]]{0,99}mso[^\]]{0,99}\]>", re.IGNORECASE)
FOR_OTHERS = re.compile(r"<!--\[if !mso[^\]]{0,99}\]>\s{0,9}(?:<!)?-->", re.IGNORECASE)
END = "<![endif]-->"
MEDIA = re.compile(r"@media[^{]{1,500}\{", re.IGNORECASE)
NEVER = "@media print and (max-width: 0) {"

# What an author sees while he types: the words before his cursor, without the tags between them.
NEAR, FEW, MOST_RUNS = 1500, 4, 8
TAGS = re.compile(r"<[^<>]{0,500}>|\{[{%#][^{}]{0,300}\}\}?")
MARK = '<a id="here" style="scroll-margin-top:30vh"></a>'

# What is drawn in the dark is inverted but for its pictures, as Gmail on iOS and Outlook do.
INVERT = (
    "<style>html{background:#fff;min-height:100vh;filter:invert(1) hue-rotate(180deg)}"
    "img,video,[background]{filter:invert(1) hue-rotate(180deg)}</style>"
)
CANVAS = "<style>:root{{color-scheme:{}}}</style>"
ALWAYS, NEVER_MET = "(min-width: 0)", "(max-width: 0)"
WORD = (
    "<style>*{border-radius:0!important;max-width:none!important;min-width:0!important;"
    "max-height:none!important;box-shadow:none!important;text-shadow:none!important;"
    "background-image:none!important;opacity:1!important;animation:none!important;"
    "transition:none!important;transform:none!important;position:static!important;"
    "float:none!important}a{padding:0!important}"
    "[style*=flex],[style*=grid]{display:block!important}</style>"
)


def as_shown_by(client: Client, html: str) -> str:
    """Return ``html`` changed so that a browser draws it about as ``client`` would.

    Light is light and dark is dark, whatever the reader's own screen is.
    """
    if client is Client.DARK:
        return _in_colours(html, "dark")
    light = _in_colours(html, "light")
    if client is Client.INVERTED:
        return light + INVERT
    return _as_outlook(light) + WORD if client is Client.OUTLOOK else light


def _in_colours(html: str, scheme: str) -> str:
    dark, light = (ALWAYS, NEVER_MET) if scheme == "dark" else (NEVER_MET, ALWAYS)
    found = LIGHT_QUERY.sub(light, DARK_QUERY.sub(dark, html))
    return found + (CANVAS.format(scheme) if KNOWS_DARK.search(html) else "")


def marked(html: str, near: str) -> str:
    """Return ``html`` with a mark that a frame scrolls to, at the last words of ``near`` in it."""
    body = max(html.find("<body"), 0)
    runs = [run.strip() for run in TAGS.sub("\n", near[-NEAR:]).splitlines()]
    for words in [run for run in reversed(runs) if len(run) >= FEW][:MOST_RUNS]:
        place = html.find(words, body)
        for _occurrence in range(MOST_RUNS):
            if place >= 0 and html.rfind("<", 0, place) <= html.rfind(">", 0, place):
                return html[:place] + MARK + html[place:]
            place = html.find(words, place + 1) if place >= 0 else place
    return html


def _as_outlook(html: str) -> str:
    """Its own comments count, media queries don't, and it pads cells by a property of its own."""
    kept = _unwrapped(_unwrapped(html, FOR_OTHERS, keep=False), FOR_OUTLOOK, keep=True)
    return MEDIA.sub(NEVER, kept).replace("mso-padding-alt:", "padding:")


def _unwrapped(html: str, opening: re.Pattern[str], *, keep: bool) -> str:
    """Return ``html`` with what such comments hold, or without it."""
    parts, start = [], 0
    while match := opening.search(html, start):
        end = html.find(END, match.end())
        if end < 0:
            break
        parts += [html[start : match.start()], html[match.end() : end] if keep else ""]
        start = end + len(END)
    return "".join([*parts, html[start:]])
