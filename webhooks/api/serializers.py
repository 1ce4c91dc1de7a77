"""What the API shows of webhooks and takes about them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.api.fields import Flag, Text
from common.api.serializers import StrictModelSerializer
from webhooks.events import ALL_TYPES, TEST_TYPE, TYPES
from webhooks.models import Off, WebhookDelivery, WebhookEndpoint
from webhooks.rules import DESCRIPTION_LENGTH, URL_LENGTH


class WebhookSerializer(StrictModelSerializer):
    """Shows an endpoint and checks the types of what is given; the services do the rest."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    url = Text(max_length=URL_LENGTH, help_text="https:// or http://, without user or fragment.")
    description = Text(required=False, allow_blank=True, max_length=DESCRIPTION_LENGTH)
    events = serializers.ListField(
        child=Text(),
        required=False,
        max_length=100,
        help_text=f"Event types, or `{ALL_TYPES}` for all (the default): {', '.join(TYPES)}.",
    )
    is_active = Flag(required=False, help_text="An endpoint that is off is told of nothing.")
    secret = serializers.SerializerMethodField(
        help_text="`whsec_…`; null but in the answers that made it."
    )
    off_reason = serializers.ChoiceField(
        [*Off.values, None],
        source="shown_off_reason",
        read_only=True,
        allow_null=True,
        help_text="Why we switched it off: `gone` (410) or `failing` (for three days).",
    )

    class Meta:
        model = WebhookEndpoint
        fields = [
            "id",
            "url",
            "description",
            "events",
            "is_active",
            "secret",
            "previous_secret_until",
            "off_reason",
            "off_at",
            "failing_since",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["previous_secret_until", "off_at", "failing_since"]

    def get_secret(self, endpoint: WebhookEndpoint) -> str | None:
        return endpoint.secret if self.context.get("shows_secret") else None


class DeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    """One event for one endpoint."""

    id = serializers.UUIDField(source="public_id", help_text="Of this telling, for `redeliver`.")
    event_id = serializers.UUIDField(
        help_text="Sent as `webhook-id`, always; the same for all webhooks that are told."
    )
    type = serializers.ChoiceField(TYPES)
    error = serializers.CharField(help_text="What went wrong the last time, or empty.")

    class Meta:
        model = WebhookDelivery
        fields = [
            "id",
            "event_id",
            "type",
            "tracking_id",
            "status",
            "attempts",
            "next_attempt_at",
            "response_status",
            "error",
            "created_at",
            "delivered_at",
        ]
        read_only_fields = fields


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with what was sent and what was answered."""

    payload = serializers.CharField(help_text="The body, as it is sent and signed.")
    response_body = serializers.CharField(help_text="The beginning of the last answer.")

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "payload", "response_body"]
        read_only_fields = fields


class TriedSerializer(serializers.Serializer[Any]):
    """What came of a test."""

    ok = serializers.BooleanField(source="is_ok")
    status_code = serializers.IntegerField(
        source="status", allow_null=True, help_text="Null where no HTTP answer came."
    )
    error = serializers.CharField(
        allow_null=True, help_text=f"Why the `{TEST_TYPE}` event did not arrive, or null."
    )
    response_body = serializers.CharField(source="body", help_text="The beginning of the answer.")
    latency_ms = serializers.IntegerField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        return shown | {"error": shown["error"] or None}
