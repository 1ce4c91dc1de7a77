"""What the API shows of a message and takes about it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.api.serializers import StrictSerializer
from logs.models import EmailEvent, EmailLog, EventType


class TextOrNull(serializers.CharField):
    """A text column whose empty string means that there is nothing to tell."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) if value else None


class MessageSerializer(serializers.ModelSerializer[EmailLog]):
    """A message with everything but its content."""

    template_id = serializers.CharField(
        source="template.slug", default=None, allow_null=True, help_text="The template's slug."
    )
    account_id = serializers.IntegerField()
    cc_addresses = serializers.ListField(child=serializers.CharField())
    bcc_addresses = serializers.ListField(child=serializers.CharField())
    error_code = TextOrNull()
    error_message = TextOrNull()
    smtp_response = TextOrNull(help_text="The server's last reply.")
    opens_count = serializers.IntegerField(help_text="By people, like all that follows of opens.")
    clicks_count = serializers.IntegerField(help_text="By people.")
    machine_opens_count = serializers.IntegerField(
        help_text="By mailbox providers' proxies, scanners and other programs."
    )
    machine_clicks_count = serializers.IntegerField(help_text="By link scanners.")
    user_agent = TextOrNull(help_text="Of the first open, like ip_address and country.")
    country = TextOrNull()
    tags = serializers.ListField(child=serializers.CharField())
    metadata = serializers.DictField()

    class Meta:
        model = EmailLog
        fields = [
            "tracking_id",
            "status",
            "from_address",
            "to_address",
            "cc_addresses",
            "bcc_addresses",
            "subject",
            "template_id",
            "account_id",
            "batch_id",
            "smtp_message_id",
            "queued_at",
            "send_at",
            "sent_at",
            "delivered_at",
            "failed_at",
            "error_code",
            "error_message",
            "retry_count",
            "next_attempt_at",
            "smtp_response",
            "opens_count",
            "clicks_count",
            "machine_opens_count",
            "machine_clicks_count",
            "first_opened_at",
            "last_opened_at",
            "user_agent",
            "ip_address",
            "country",
            "tags",
            "metadata",
            "mode",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class EventSerializer(serializers.ModelSerializer[EmailEvent]):
    """One step of a message's history."""

    type = serializers.ChoiceField(choices=EventType.choices)
    data = serializers.DictField()  # type: ignore[assignment]

    class Meta:
        model = EmailEvent
        fields = ["type", "at", "data"]
        read_only_fields = fields


class ContentSerializer(serializers.Serializer[Any]):
    """What the message says, as it goes out."""

    subject = serializers.CharField()
    html_content = serializers.CharField(allow_blank=True)
    text_content = serializers.CharField(allow_blank=True)
    headers = serializers.DictField(child=serializers.CharField())


class RescheduleSerializer(StrictSerializer):
    send_at = serializers.DateTimeField(help_text="Now or up to a year ahead.")
