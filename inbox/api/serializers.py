"""What the API shows of inbound mail and takes about it."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from rest_framework import serializers

from common.api.fields import Text
from common.api.serializers import StrictSerializer
from inbox.kinds import BounceType, Kind, NeverReply, QuarantineReason
from inbox.models import InboundEmail


class RawMail(Text):
    """Base64 in JSON; a body that is the mail itself comes as bytes."""

    default_error_messages = {"not_base64": "This is not base64 (RFC 4648)."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bytes):
            return data
        text = super().to_internal_value(data)
        try:
            return b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            self.fail("not_base64")


class RawSerializer(StrictSerializer):
    raw = RawMail(help_text="The whole mail (RFC 5322) in base64, up to 25 MB.")


class NullWhenEmpty(serializers.Field[Any, Any, Any, Any]):
    """A column whose empty string means that there is nothing to tell."""

    def to_representation(self, value: Any) -> Any:
        return value or None


class TextOrNull(NullWhenEmpty, serializers.CharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **kwargs)


class ChoiceOrNull(NullWhenEmpty, serializers.ChoiceField):
    def __init__(self, choices: Any, **kwargs: Any) -> None:
        super().__init__(choices, read_only=True, allow_null=True, **kwargs)


class ReceivedSerializer(serializers.ModelSerializer[InboundEmail]):
    """What was found at once."""

    id = serializers.UUIDField(source="public_id")
    kind = serializers.ChoiceField(Kind.choices)
    recipient = TextOrNull(help_text="Whom a bounce, receipt or complaint is about.")
    bounce_type = ChoiceOrNull(BounceType.choices)
    status_code = TextOrNull(help_text="Enhanced status code (RFC 3463).")
    tracking_id = serializers.UUIDField(
        source="email.tracking_id",
        default=None,
        allow_null=True,
        help_text="Our message it belongs to.",
    )

    class Meta:
        model = InboundEmail
        fields = ["id", "kind", "recipient", "bounce_type", "status_code", "tracking_id"]
        read_only_fields = fields


class AttachmentSerializer(serializers.Serializer[Any]):
    filename = serializers.CharField(allow_blank=True)
    content_type = serializers.CharField()
    size_bytes = serializers.IntegerField()


class InboundListedSerializer(ReceivedSerializer):
    """A mail without its texts."""

    never_auto_reply = ChoiceOrNull(
        NeverReply.choices, help_text="Why no automatic answer may ever go to it (RFC 3834)."
    )
    quarantine_reason = ChoiceOrNull(QuarantineReason.choices)
    from_address = TextOrNull()
    from_name = serializers.CharField(allow_blank=True)
    to_addresses = serializers.ListField(child=serializers.CharField())
    cc_addresses = serializers.ListField(child=serializers.CharField())
    envelope_sender = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="Empty for <>, null where it is not known."
    )
    message_id = TextOrNull()
    in_reply_to = TextOrNull()
    thread_id = TextOrNull(source="thread_key", help_text="Shared by the mails of a conversation.")
    language = TextOrNull(help_text="As the mail itself states it.")
    attachments = AttachmentSerializer(many=True)

    class Meta(ReceivedSerializer.Meta):
        fields = [
            *ReceivedSerializer.Meta.fields,
            "never_auto_reply",
            "quarantine_reason",
            "from_address",
            "from_name",
            "to_addresses",
            "cc_addresses",
            "envelope_sender",
            "subject",
            "date",
            "received_at",
            "message_id",
            "in_reply_to",
            "thread_id",
            "language",
            "attachments",
            "size_bytes",
            "mode",
        ]
        read_only_fields = fields


class InboundSerializer(InboundListedSerializer):
    """A mail with its texts."""

    references = serializers.ListField(child=serializers.CharField())

    class Meta(InboundListedSerializer.Meta):
        fields = [
            *InboundListedSerializer.Meta.fields,
            "references",
            "text",
            "reply_text",
            "html_text",
        ]
        read_only_fields = fields
