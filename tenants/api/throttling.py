"""Rate limits per key, and per address for requests without a valid one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from common import counters
from common.api.client_address import client_address
from tenants.models import APIKey
from tenants.rates import Rate, parse_rate


@dataclass(frozen=True)
class Allowance:
    """What is left of a rate in the current window."""

    rate: Rate
    remaining: int
    reset: int

    @classmethod
    def of(cls, rate: Rate, used: int | None) -> Allowance:
        reset = rate.window - int(time.time()) % rate.window
        return cls(rate=rate, remaining=max(rate.count - (used or 0), 0), reset=reset)


def count_request(name: str, *, rate: Rate) -> tuple[bool, Allowance]:
    """Count one request; the cache's absence allows it."""
    used = counters.hit(f"rate:{name}", window=rate.window) if rate.is_limited else None
    return used is None or used <= rate.count, Allowance.of(rate, used)


def rate_of(key: APIKey) -> Rate:
    return parse_rate(key.rate or settings.RATE_LIMIT)


def count_stranger(request: HttpRequest) -> tuple[bool, Allowance]:
    """Count a request without a valid key, by its address."""
    return count_request(f"address:{client_address(request)}", rate=parse_rate(settings.RATE_LIMIT))


class KeyRateThrottle(BaseThrottle):
    """Counts the request and leaves the allowance for the middleware's headers."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, APIKey):
            allowed, allowance = count_request(f"key:{request.auth.pk}", rate=rate_of(request.auth))
        else:
            allowed, allowance = count_stranger(request._request)
        self.reset = allowance.reset
        request._request.allowance = allowance  # type: ignore[attr-defined]
        return allowed

    def wait(self) -> float:
        return float(self.reset)
