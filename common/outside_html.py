"""Somebody else's HTML as an answer that runs nothing and calls nobody."""

from __future__ import annotations

import re

from django.http import HttpResponse

POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
FRAME = re.compile(r"<(?=i?frame[\s/>])", re.IGNORECASE)


def outside_page(html: str, *, with_images: bool = False) -> HttpResponse:
    """Return ``html`` as a page for a frame; remote images only ``with_images``.

    It may be stored nowhere, and says nobody where it was seen.
    """
    answer = HttpResponse(without_frames(html), content_type="text/html; charset=utf-8")
    answer["Content-Security-Policy"] = POLICY + (" https:" if with_images else "")
    answer["X-Frame-Options"] = "SAMEORIGIN"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Referrer-Policy"] = "no-referrer"
    answer["Cache-Control"] = "private, no-store"
    return answer


def without_frames(html: str) -> str:
    """Return ``html`` with its frames as unknown elements.

    Chromium looks a frame's host up and connects before the policy refuses the frame (156,
    November 2026), which would tell a sender who reads. A tag's name is never encoded.
    """
    return FRAME.sub("<no-", html)
