"""Staff see times in their tenant's zone."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from tenants.models import Tenant


class TenantTimezoneMiddleware:
    """Activates the zone of the user's first tenant for admin pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/") or not request.user.is_authenticated:
            return self.get_response(request)
        tenant = Tenant.objects.of_staff(request.user).order_by("pk").first()
        with timezone.override(tenant.zone if tenant else None):
            return self.get_response(request)
