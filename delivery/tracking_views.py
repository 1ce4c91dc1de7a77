"""A message's image and its tracked links: answered at once, without the database or the broker."""

from __future__ import annotations

from base64 import b64decode
from ipaddress import IPv6Address, ip_address
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from common.api.client_address import client_address
from delivery.hits import COLLECTOR
from logs.links import clicked_target, opened_message
from logs.models import EventType, HitSign, TrackingHit

PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
USER_AGENT_LENGTH = 500
_PREFETCH_HEADERS = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")


@require_safe
def opened(request: HttpRequest, token: str) -> HttpResponse:
    """Answer a transparent image; a forged token is 404 and leaves no trace."""
    tracking_id = opened_message(token)
    if tracking_id is None:
        raise Http404
    COLLECTOR.put(_hit(request, tracking_id, kind=EventType.OPENED))
    return _uncached(HttpResponse(PIXEL, content_type="image/gif"))


@require_safe
def clicked(request: HttpRequest, token: str) -> HttpResponse:
    """Redirect to the very bytes that stood in the message; a forged token is 404."""
    target = clicked_target(token)
    if target is None:
        raise Http404
    hit = _hit(request, target.tracking_id, kind=EventType.CLICKED)
    hit.url = target.url.decode(errors="replace")
    COLLECTOR.put(hit)
    response = HttpResponse(status=302)
    response["Location"] = target.url
    response["Referrer-Policy"] = "no-referrer"  # the token says who reads the message
    return _uncached(response)


def _hit(request: HttpRequest, tracking_id: UUID, *, kind: EventType) -> TrackingHit:
    return TrackingHit(
        tracking_id=tracking_id,
        kind=kind,
        at=timezone.now(),
        user_agent=_user_agent(request),
        ip_address=_address(client_address(request)),
        sign=_sign(request),
    )


def _sign(request: HttpRequest) -> str:
    if request.method == "HEAD":
        return HitSign.HEAD
    purposes = (request.headers.get(name, "") for name in _PREFETCH_HEADERS)
    is_ahead = any("prefetch" in each or "preview" in each for each in map(str.lower, purposes))
    return HitSign.PREFETCH if is_ahead else ""


def _user_agent(request: HttpRequest) -> str:
    """Return the header as UTF-8, where WSGI gives its bytes as Latin-1 (PEP 3333)."""
    given: str = request.META.get("HTTP_USER_AGENT", "")
    text = given.encode("latin-1", "replace").decode(errors="replace")
    return text.replace("\0", "")[:USER_AGENT_LENGTH]


def _address(text: str) -> str | None:
    """Return the address in its usual form; a proxy may write anything into its header."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store, private"
    response["Content-Length"] = str(len(response.content))
    return response
