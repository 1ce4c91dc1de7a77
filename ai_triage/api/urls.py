"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import URLPattern, path

from ai_triage.api.prompts import PromptViewSet, VersionViewSet

prompts: list[URLPattern] = [
    path("prompts", PromptViewSet.as_view({"get": "list", "post": "create"})),
    path("prompts/current", PromptViewSet.as_view({"get": "current"})),
    path(
        "prompts/<str:ref>",
        PromptViewSet.as_view(
            {
                "get": "retrieve",
                "put": "update",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
    ),
    path("prompts/<str:ref>/activate", PromptViewSet.as_view({"post": "activate"})),
    path("prompts/<str:ref>/versions", VersionViewSet.as_view({"get": "list"})),
]

urlpatterns: list[URLPattern] = [*prompts]
