"""What sending takes and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.api.fields import Flag, Object, Text
from common.api.serializers import StrictSerializer
from delivery.models import Suppression, SuppressionReason
from delivery.submission import BulkRecipient

MOST_RECIPIENTS = 10_000
LONGEST_REFERENCE = 1000  # Python refuses to read numbers of more than 4300 digits
REFERENCE = {
    "oneOf": [
        {"type": "string", "minLength": 1, "maxLength": LONGEST_REFERENCE},
        {"type": "integer", "minimum": 1},
    ]
}
RECIPIENTS = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_RECIPIENTS,
    "items": {
        "oneOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {
                    "to_address": {"type": "string"},
                    "variables": {"type": "object", "additionalProperties": {}},
                },
                "required": ["to_address"],
                "additionalProperties": False,
            },
        ]
    },
}


@extend_schema_field(REFERENCE)
class Reference(serializers.Field[Any, Any, Any, Any]):
    """A name or a number; which of them, the look-up decides."""

    default_error_messages = {"invalid": "This must be a name or a number."}

    def to_internal_value(self, data: Any) -> str | int:
        if isinstance(data, bool) or not isinstance(data, str | int):
            self.fail("invalid")
        if isinstance(data, str) and not 1 <= len(data) <= LONGEST_REFERENCE:
            self.fail("invalid")
        is_number = isinstance(data, int) or data.isdecimal()
        if is_number and not 1 <= int(data) < 2**63:
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class HeaderField(serializers.DictField):
    child = Text()


class AttachmentSerializer(StrictSerializer):
    filename = Text()
    content = Text(help_text="Base64 (RFC 4648).", allow_blank=True)
    content_type = Text(default="application/octet-stream")
    content_id = Text(required=False, allow_blank=True, help_text="For <img src='cid:…'>.")


class OptionsSerializer(StrictSerializer):
    """What one message and a batch have in common."""

    from_account = Reference(required=False, help_text="Address or number of the account.")
    reply_to = serializers.ListField(child=Text(), required=False)
    headers = HeaderField(required=False)
    attachments = AttachmentSerializer(many=True, required=False)
    tags = serializers.ListField(child=Text(), required=False)
    metadata = Object(required=False)
    send_at = serializers.DateTimeField(required=False, allow_null=True)
    track_opens = Flag(required=False, allow_null=True)
    track_clicks = Flag(required=False, allow_null=True)
    priority = serializers.ChoiceField(["high", "normal", "low"], default="normal")

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("reply_to"), str):
            data = {**data, "reply_to": [data["reply_to"]]}
        return super().to_internal_value(data)


class SendSerializer(OptionsSerializer):
    template_id = Reference(required=False, help_text="Slug or number of the template.")
    to_address = Text(help_text="May carry a display name.")
    to_name = Text(required=False, allow_blank=True)
    cc = serializers.ListField(child=Text(), required=False)
    bcc = serializers.ListField(child=Text(), required=False)
    subject = Text(required=False, allow_blank=True)
    html = Text(required=False, allow_blank=True)
    text = Text(required=False, allow_blank=True)
    variables = Object(required=False)


@extend_schema_field(RECIPIENTS)
class RecipientList(serializers.Field[Any, Any, Any, Any]):
    """Addresses, or objects with an address and its variables.

    Its items are checked by hand: ten thousand nested serializers would take seconds.
    """

    default_error_messages = {
        "not_a_list": "This must be a list.",
        "empty": "The list is empty.",
        "max_length": f"At most {MOST_RECIPIENTS} recipients are allowed.",
    }
    ITEM_KEYS = {"to_address", "variables"}

    def to_internal_value(self, data: Any) -> list[BulkRecipient]:
        if not isinstance(data, list):
            self.fail("not_a_list")
        if not data:
            self.fail("empty")
        if len(data) > MOST_RECIPIENTS:
            self.fail("max_length")
        return [self.item(index, item) for index, item in enumerate(data)]

    def item(self, index: int, item: Any) -> BulkRecipient:
        if isinstance(item, str):
            return BulkRecipient(index=index, address=item)
        if not isinstance(item, dict):
            raise self.refusal(index, None, "An address or an object is expected.")
        if unknown := sorted(set(item) - self.ITEM_KEYS):
            raise self.refusal(index, unknown[0], "There is no such field.", "unknown_field")
        if not isinstance(item.get("to_address"), str):
            raise self.refusal(index, "to_address", "This must be a string.", "required")
        variables = item.get("variables", {})
        if not isinstance(variables, dict):
            raise self.refusal(index, "variables", "This must be an object.", "not_a_dict")
        return BulkRecipient(index=index, address=item["to_address"], variables=variables)

    @staticmethod
    def refusal(
        index: int, name: str | None, detail: str, code: str = "invalid"
    ) -> serializers.ValidationError:
        found: Any = [serializers.ErrorDetail(detail, code=code)]
        return serializers.ValidationError({str(index): {name: found} if name else found})

    def to_representation(self, value: Any) -> Any:
        return value


class SendBulkSerializer(OptionsSerializer):
    template_id = Reference(help_text="Slug or number of the template.")
    recipient_list = RecipientList()
    variables_global = Object(required=False)


class AcceptedSerializer(serializers.Serializer[Any]):
    tracking_id = serializers.UUIDField()
    status = serializers.CharField()
    from_address = serializers.CharField()
    to_address = serializers.CharField()
    template_id = serializers.CharField(source="template.slug", default=None, allow_null=True)
    queued_at = serializers.DateTimeField()
    send_at = serializers.DateTimeField(allow_null=True)


class RejectedSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    to_address = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class AcceptedBulkSerializer(serializers.Serializer[Any]):
    batch_id = serializers.UUIDField(source="batch.public_id")
    accepted = serializers.IntegerField(source="batch.accepted")
    rejected = RejectedSerializer(many=True)


class SuppressionSerializer(serializers.ModelSerializer[Suppression]):
    topic = serializers.SerializerMethodField()
    source = serializers.UUIDField(  # type: ignore[assignment]
        source="source.tracking_id", default=None, allow_null=True
    )

    class Meta:
        model = Suppression
        fields = ["address", "reason", "topic", "source", "created_at", "expires_at"]

    @extend_schema_field({"type": "string", "nullable": True})
    def get_topic(self, entry: Suppression) -> str | None:
        return entry.topic or None


class NewSuppressionSerializer(StrictSerializer):
    address = Text()
    topic = Text(required=False, allow_null=True, allow_blank=True, max_length=50)
    reason = serializers.ChoiceField(SuppressionReason.choices, default=SuppressionReason.MANUAL)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This time has passed.", code="past")
        return value
