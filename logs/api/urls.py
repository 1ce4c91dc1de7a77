"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import URLPattern, path

from logs.api.analytics import DeliveryView
from logs.api.views import EmailEventViewSet, EmailLogViewSet

urlpatterns: list[URLPattern] = [
    path("logs", EmailLogViewSet.as_view({"get": "list"}), name="logs"),
    path("logs/<str:tracking_id>", EmailLogViewSet.as_view({"get": "retrieve"}), name="log"),
    path("logs/<str:tracking_id>/events", EmailEventViewSet.as_view({"get": "list"})),
    path("logs/<str:tracking_id>/content", EmailLogViewSet.as_view({"get": "content"})),
    path("logs/<str:tracking_id>/cancel", EmailLogViewSet.as_view({"post": "cancel"})),
    path("logs/<str:tracking_id>/reschedule", EmailLogViewSet.as_view({"post": "reschedule"})),
    path("logs/<str:tracking_id>/retry", EmailLogViewSet.as_view({"post": "retry"})),
    path("analytics/delivery", DeliveryView.as_view(), name="analytics-delivery"),
]
