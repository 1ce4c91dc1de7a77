"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import URLPattern, path

from accounts.api.views import AccountViewSet

urlpatterns: list[URLPattern] = [
    path("accounts", AccountViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "accounts/<int:id>",
        AccountViewSet.as_view(
            {
                "get": "retrieve",
                "put": "update",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
    ),
    path("accounts/<int:id>/test", AccountViewSet.as_view({"post": "test"})),
    path("accounts/<int:id>/activate", AccountViewSet.as_view({"post": "activate"})),
    path("accounts/<int:id>/deactivate", AccountViewSet.as_view({"post": "deactivate"})),
]
