"""What changed between two versions of a template, ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from common.differences import Change, Piece, differences
from templates_app.models import TemplateVersion

AROUND = 3


@dataclass(frozen=True)
class Shown:
    """A part of both texts and what became of it."""

    change: Change
    text: str
    skipped: int = 0


@dataclass(frozen=True)
class Part:
    """One text of a version; ``pieces`` leave out lines far from every change.

    A piece that stands for lines left out says how many in ``skipped``.
    """

    name: str
    pieces: list[Shown]
    is_changed: bool


def compared(old: TemplateVersion, new: TemplateVersion) -> list[Part]:
    """Return every text of both versions with what goes and what comes."""
    return [
        _part(_("subject"), old.subject, new.subject),
        _part(_("source format"), old.get_source_format_display(), new.get_source_format_display()),
        _part(_("source"), old.html_content, new.html_content),
        _part(_("plain text"), old.text_content, new.text_content),
    ]


def _part(name: str, old: str, new: str) -> Part:
    pieces = differences(_with_line_feeds(old), _with_line_feeds(new))
    shown: list[Shown] = []
    for number, piece in enumerate(pieces):
        ends = (number > 0, number < len(pieces) - 1)
        shown += _near(piece, *ends) if piece.change is Change.SAME else [_whole(piece)]
    return Part(name, shown, is_changed=any(piece.change is not Change.SAME for piece in pieces))


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n")


def _whole(piece: Piece) -> Shown:
    return Shown(piece.change, piece.text)


def _near(piece: Piece, has_before: bool, has_after: bool) -> list[Shown]:
    """Return what stays, without the lines that no change is near to."""
    lines = piece.text.splitlines(keepends=True)
    head = lines[:AROUND] if has_before else []
    tail = lines[len(lines) - AROUND :] if has_after else []
    skipped = len(lines) - len(head) - len(tail)
    if skipped <= AROUND:
        return [_whole(piece)]
    return [
        Shown(Change.SAME, "".join(head)),
        Shown(Change.SAME, "", skipped=skipped),
        Shown(Change.SAME, "".join(tail)),
    ]
