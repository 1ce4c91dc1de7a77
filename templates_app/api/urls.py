"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import URLPattern, path

from templates_app.api.views import TemplateViewSet, VersionViewSet

urlpatterns: list[URLPattern] = [
    path("templates", TemplateViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "templates/<str:ref>",
        TemplateViewSet.as_view(
            {
                "get": "retrieve",
                "put": "update",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
    ),
    path("templates/<str:ref>/render", TemplateViewSet.as_view({"post": "render"})),
    path("templates/<str:ref>/versions", VersionViewSet.as_view({"get": "list"})),
    path(
        "templates/<str:ref>/versions/<int:number>/restore",
        VersionViewSet.as_view({"post": "restore"}),
    ),
]
