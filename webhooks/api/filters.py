"""How webhooks and deliveries are found."""

from __future__ import annotations

from django_filters import rest_framework as filters

from common.api.filters import InstantFilter, YesNoFilter
from webhooks.events import TYPES
from webhooks.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint


class WebhookFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    is_active = YesNoFilter()

    class Meta:
        model = WebhookEndpoint
        fields: list[str] = []


class DeliveryFilter(filters.FilterSet):  # type: ignore[misc]
    """Filters of ``GET /webhooks/{id}/deliveries``, by field."""

    status = filters.ChoiceFilter(choices=DeliveryStatus.choices)
    type = filters.ChoiceFilter(choices=[(one, one) for one in TYPES])
    event_id = filters.UUIDFilter()
    tracking_id = filters.UUIDFilter(help_text="Deliveries about this message.")
    created_after = InstantFilter(
        field_name="created_at", lookup_expr="gte", help_text="Then or later (ISO 8601)."
    )
    created_before = InstantFilter(
        field_name="created_at", lookup_expr="lt", help_text="Before that (ISO 8601)."
    )

    class Meta:
        model = WebhookDelivery
        fields: list[str] = []
