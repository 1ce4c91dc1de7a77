"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import path

from inbox.api import views

urlpatterns = [
    path("inbound/raw", views.RawView.as_view(), name="inbound-raw"),
    path("inbound", views.InboundViewSet.as_view({"get": "list"}), name="inbound"),
    path("inbound/<str:public_id>", views.InboundViewSet.as_view({"get": "retrieve"}), name="mail"),
]
