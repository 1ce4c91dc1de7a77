"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import URLPattern, path

from webhooks.api.views import DeliveryViewSet, WebhookViewSet

urlpatterns: list[URLPattern] = [
    path("webhooks", WebhookViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "webhooks/<str:id>",
        WebhookViewSet.as_view(
            {
                "get": "retrieve",
                "put": "update",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
    ),
    path("webhooks/<str:id>/rotate-secret", WebhookViewSet.as_view({"post": "rotate_secret"})),
    path("webhooks/<str:id>/test", WebhookViewSet.as_view({"post": "test"})),
    path("webhooks/<str:id>/deliveries", DeliveryViewSet.as_view({"get": "list"})),
    path(
        "webhooks/<str:id>/deliveries/<str:delivery_id>",
        DeliveryViewSet.as_view({"get": "retrieve"}),
    ),
    path(
        "webhooks/<str:id>/deliveries/<str:delivery_id>/redeliver",
        DeliveryViewSet.as_view({"post": "redeliver"}),
    ),
]
