"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import URLPattern, path

from domains.api.views import DomainViewSet

urlpatterns: list[URLPattern] = [
    path("domains", DomainViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "domains/<int:id>",
        DomainViewSet.as_view(
            {
                "get": "retrieve",
                "put": "update",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
    ),
    path("domains/<int:id>/verify", DomainViewSet.as_view({"post": "verify"})),
]
