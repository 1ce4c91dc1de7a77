"""Pages for recipients, at the site's root."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
