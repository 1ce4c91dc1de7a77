"""What the pages of django-allauth need to look like the admin's."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

OURS = ("account_", "admin_password_reset", "mfa_", "password_reset_")


def look(request: HttpRequest) -> dict[str, Any]:
    """Return unfold's titles, colours and styles for the pages of this package, else nothing."""
    match = request.resolver_match
    if match is None or not (match.url_name or "").startswith(OURS):
        return {}
    return dict(admin.site.each_context(request))
