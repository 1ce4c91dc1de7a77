"""``RateLimit-Policy`` and ``RateLimit`` on every answer (draft-ietf-httpapi-ratelimit-headers)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from common.api.middleware import error_answer
from tenants.api.throttling import Allowance, count_stranger


class RateLimitHeadersMiddleware:
    """Adds the headers under ``/api/``; a stranger over the limit gets 429 instead of 401."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path_info.startswith("/api/"):
            return response
        allowance: Allowance | None = getattr(request, "allowance", None)
        if allowance is None:
            allowed, allowance = count_stranger(request)
            if not allowed and response.status_code == 401:
                response = error_answer(
                    429, code="throttled", detail="Too many requests without a valid key."
                )
                response["Retry-After"] = str(allowance.reset)
        rate = allowance.rate
        response["RateLimit-Policy"] = f'"default";q={rate.count};w={rate.window}'
        response["RateLimit"] = f'"default";r={allowance.remaining};t={allowance.reset}'
        return response
