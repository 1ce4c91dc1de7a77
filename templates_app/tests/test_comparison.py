"""What staff see of two versions of a template."""

from __future__ import annotations

from common.differences import Change
from templates_app.comparison import compared
from templates_app.models import TemplateVersion


def version(**texts: str) -> TemplateVersion:
    return TemplateVersion(**({"subject": "A", "source_format": "html"} | texts))


def test_only_what_changed_is_marked():
    parts = compared(version(html_content="<p>a</p>"), version(html_content="<p>b</p>"))

    assert [part.is_changed for part in parts] == [False, False, True, False]
    assert [(p.change, p.text) for p in parts[2].pieces] == [
        (Change.SAME, "<p>"),
        (Change.REMOVED, "a"),
        (Change.ADDED, "b"),
        (Change.SAME, "</p>"),
    ]


def test_lines_far_from_every_change_are_left_out():
    lines = [f"line {n}\n" for n in range(20)]

    parts = compared(
        version(html_content="".join(lines)),
        version(html_content="".join([*lines[:10], "new\n", *lines[10:]])),
    )

    shown = [(piece.text, piece.skipped) for piece in parts[2].pieces]
    assert shown == [
        ("", 0),
        ("", 7),
        ("line 7\nline 8\nline 9\n", 0),
        ("new\n", 0),
        ("line 10\nline 11\nline 12\n", 0),
        ("", 7),
        ("", 0),
    ]


def test_line_ends_of_a_browser_are_no_change():
    parts = compared(version(html_content="a\r\nb"), version(html_content="a\nb"))

    assert not any(part.is_changed for part in parts)
