"""Pages for recipients, at the site's root."""

from __future__ import annotations

from django.urls import path

from delivery import pages

urlpatterns = [path("u/<str:token>", pages.UnsubscribeView.as_view(), name="unsubscribe")]
