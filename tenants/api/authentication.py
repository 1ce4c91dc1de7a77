"""Authentication by API key, in ``X-API-Key`` or ``Authorization: Bearer``."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from common.statements import Lookup
from tenants.models import APIKey, digest_of

KEY_BY_DIGEST = Lookup(
    APIKey, lambda digest: APIKey.objects.select_related("tenant").filter(digest=digest), takes=1
)


class APIKeyAuthentication(BaseAuthentication):
    """Sets ``request.auth`` to the key; ``request.user`` stays None.

    Unknown, revoked and expired keys get the same answer.
    """

    def authenticate(self, request: Request) -> tuple[None, APIKey] | None:
        text = given_key(request)
        if text is None:
            return None
        now = timezone.now()
        key = KEY_BY_DIGEST.first(digest_of(text))
        if key is None or not key.is_usable(at=now):
            raise AuthenticationFailed("The API key is not valid.")
        key.seen(at=now)
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="sendcraft"'


def given_key(request: Request | HttpRequest) -> str | None:
    """Return the key's text of either header, or None."""
    if key := request.headers.get("X-API-Key"):
        return key.strip()
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" and value.strip() else None
