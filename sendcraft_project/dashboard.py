"""The admin's start page: today's numbers of the tenants that the user may see."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def today(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    return context
