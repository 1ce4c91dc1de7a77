"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import include, path

from delivery.api import views

urlpatterns = [
    path("", include("delivery.api.template_test_urls")),
    path("emails/send", views.SendView.as_view(), name="send"),
    path("emails/send-bulk", views.SendBulkView.as_view(), name="send-bulk"),
    path(
        "suppressions",
        views.SuppressionViewSet.as_view({"get": "list", "post": "create"}),
        name="suppressions",
    ),
    path(
        "suppressions/<path:address>",
        views.SuppressionViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="suppression",
    ),
]
