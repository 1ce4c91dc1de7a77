"""``RateLimit-Policy`` and ``RateLimit`` on every answer (draft-ietf-httpapi-ratelimit-headers)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from common.api.middleware import error_answer, is_api
from tenants.api.throttling import Allowance, count_stranger


class RateLimitHeadersMiddleware:
    """Adds the headers under ``/api/``; who is refused too often gets 429 instead."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not is_api(request.path_info):
            return response
        allowance: Allowance | None = getattr(request, "allowance", None)
        if allowance is None:
            allowed, allowance = count_stranger(request)
            if not allowed and response.status_code in (401, 403):
                response = error_answer(429, code="throttled", detail="Too many refused requests.")
                response["Retry-After"] = str(allowance.reset)
        rate = allowance.rate
        response["RateLimit-Policy"] = f'"default";q={rate.count};w={rate.window}'
        response["RateLimit"] = f'"default";r={allowance.remaining};t={allowance.reset}'
        return response
