"""Pages for recipients, at the site's root."""

from __future__ import annotations

from django.urls import path

from delivery import pages, tracking_views

urlpatterns = [
    path("u/<str:token>", pages.UnsubscribeView.as_view(), name="unsubscribe"),
    path("t/o/<str:token>.gif", tracking_views.opened, name="opened"),
    path("t/c/<str:token>", tracking_views.clicked, name="clicked"),
]
