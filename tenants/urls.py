"""Pages for people who are not in yet, at the site's root."""

from __future__ import annotations

from django.urls import path

from tenants.pages import JoinView

urlpatterns = [path("admin/join/<str:token>", JoinView.as_view(), name="join")]
