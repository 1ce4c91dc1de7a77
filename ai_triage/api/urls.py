"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import path

from ai_triage.api import analytics

urlpatterns = [
    path("analytics/summary", analytics.SummaryView.as_view(), name="analytics-summary"),
]
