"""What the API takes of inbound mail and shows of its triage."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ai_triage import incoming, replies
from ai_triage.kinds import Decision, EmailType, Tone, Urgency
from ai_triage.models import ReviewReason, Status, TriageResult
from common.api.fields import Object, Text
from common.api.serializers import StrictSerializer
from inbox.kinds import NeverReply

MOST_MAILS = 1000
PRIORITIES = ["high", "medium", "normal", "low"]
HEADERS = {
    "type": "object",
    "additionalProperties": {
        "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    },
}


class ZonedTime(serializers.DateTimeField):
    """A time that names its zone; without one nobody knows when it was."""

    default_error_messages = {"no_zone": "The time must name its zone, such as Z or +01:00."}

    def enforce_timezone(self, value: Any) -> Any:
        if value.tzinfo is None:
            self.fail("no_zone")
        try:
            return super().enforce_timezone(value)
        except OverflowError:
            self.fail("overflow")


@extend_schema_field(HEADERS)
class Headers(Object):
    """Header fields; one that stands several times is a list."""


class Labels(serializers.ListField):
    """Counted before each is looked at: a request may hold millions."""

    child = Text(max_length=incoming.LONGEST_LABEL)
    default_error_messages = {"too_large": f"At most {incoming.MOST_LABELS:,} labels."}

    def to_internal_value(self, data: Any) -> list[str]:
        if isinstance(data, list) and len(data) > incoming.MOST_LABELS:
            self.fail("too_large")
        labels: list[str] = super().to_internal_value(data)
        return labels


class MetadataSerializer(StrictSerializer):
    priority = serializers.ChoiceField(PRIORITIES, required=False)
    labels = Labels(required=False, help_text="Up to 10,000, together 250 kB.")
    custom_fields = Object(required=False)


class MailSerializer(StrictSerializer):
    """One mail; ``from`` is no name that Python would take."""

    email_id = Text(max_length=incoming.LONGEST_ID, help_text="The caller's own id of the mail.")
    to = Text()
    subject = Text(allow_blank=True, max_length=incoming.LONGEST_SUBJECT)
    body = Text(allow_blank=True, help_text="Plain text, up to 6 MB.")
    thread_id = Text(
        required=False, allow_null=True, allow_blank=True, max_length=incoming.LONGEST_THREAD
    )
    received_at = ZonedTime(
        required=False, allow_null=True, help_text="With its zone; now where it is left out."
    )
    headers = Headers(required=False, allow_null=True)
    attachments = serializers.ListField(
        child=Text(max_length=incoming.LONGEST_NAME),
        required=False,
        allow_null=True,
        max_length=incoming.MOST_ATTACHMENTS,
        help_text="Names of the attached files.",
    )
    metadata = MetadataSerializer(required=False, allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        sender = Text(help_text="May carry a display name.")
        fields = super().get_fields()
        return {"email_id": fields.pop("email_id"), "from": sender, **fields}


class BatchSerializer(StrictSerializer):
    """Mails are checked one by one: a bad one is rejected, the others are taken."""

    emails = serializers.ListField(
        child=serializers.JSONField(), allow_empty=False, max_length=MOST_MAILS
    )


class BatchRequestSerializer(serializers.Serializer[Any]):
    """As documented."""

    emails = MailSerializer(many=True)


class RejectedMailSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    email_id = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    detail = serializers.CharField()


class AcceptedBatchSerializer(serializers.Serializer[Any]):
    batch_id = serializers.UUIDField()
    accepted = serializers.IntegerField()
    rejected = RejectedMailSerializer(many=True)


class QueuedMailSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["queued"])
    email_id = serializers.CharField()
    job_id = serializers.UUIDField(allow_null=True)
    estimated_time = serializers.IntegerField(help_text="Seconds, about.")


class SuggestedResponseSerializer(serializers.Serializer[TriageResult]):
    subject = serializers.CharField(source="suggested_subject")
    body = serializers.CharField(source="suggested_body")
    tone = serializers.ChoiceField(list(Tone), source="suggested_tone")
    draft = serializers.BooleanField(default=True)


class UsedPromptSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="prompt.public_id")
    name = serializers.CharField(source="prompt.name")
    version = serializers.IntegerField(source="number")


class UsageSerializer(serializers.Serializer[TriageResult]):
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()


class OrNull(serializers.ChoiceField):
    """A choice whose empty string means that there is none."""

    def __init__(self, choices: Any, **kwargs: Any) -> None:
        super().__init__(choices, read_only=True, allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value or None


class VerdictSerializer(serializers.ModelSerializer[TriageResult]):
    """What was decided."""

    decision = OrNull(list(Decision))
    confidence = serializers.FloatField(allow_null=True, min_value=0, max_value=1)
    email_type = OrNull(list(EmailType))
    urgency = OrNull(list(Urgency))
    never_auto_reply = OrNull(
        NeverReply.choices, help_text="Why no automatic answer may ever go to it (RFC 3834)."
    )
    cached = serializers.BooleanField(help_text="Whether an earlier verdict was used again.")
    prompt = UsedPromptSerializer(allow_null=True)
    usage = UsageSerializer(source="*")

    class Meta:
        model = TriageResult
        fields: list[str] = []
        read_only_fields = fields


class ProcessedSerializer(VerdictSerializer):
    """The answer to a mail that was judged."""

    status = serializers.SerializerMethodField()
    suggested_response = serializers.SerializerMethodField()
    processing_time = serializers.FloatField(source="processing_time_seconds", help_text="Seconds.")

    class Meta(VerdictSerializer.Meta):
        fields = [
            "status",
            "email_id",
            "decision",
            "confidence",
            "email_type",
            "urgency",
            "reason",
            "suggested_response",
            "needs_review",
            "never_auto_reply",
            "processing_time",
            "processed_at",
            "job_id",
            "cached",
            "provider",
            "model_version",
            "prompt",
            "usage",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(["processed"]))
    def get_status(self, row: TriageResult) -> str:
        return "processed"

    @extend_schema_field(SuggestedResponseSerializer(allow_null=True))
    def get_suggested_response(self, row: TriageResult) -> dict[str, Any] | None:
        if not row.suggested_body:
            return None
        return dict(SuggestedResponseSerializer(row).data)


class ResponseDetailsSerializer(serializers.Serializer[Any]):
    """What became of the answer; null where its message was purged."""

    tracking_id = serializers.UUIDField(allow_null=True)
    status = serializers.CharField(allow_null=True)
    from_address = serializers.CharField(allow_null=True)
    responded_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    automatic = serializers.BooleanField()
    error = serializers.CharField(allow_null=True)


class StatusSerializer(serializers.ModelSerializer[TriageResult]):
    """How far a mail is."""

    decision = OrNull(list(Decision))
    response_sent = serializers.BooleanField()
    response_details = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()

    class Meta:
        model = TriageResult
        fields = [
            "email_id",
            "status",
            "decision",
            "processed_at",
            "response_sent",
            "response_details",
            "error",
        ]
        read_only_fields = fields

    @extend_schema_field(ResponseDetailsSerializer(allow_null=True))
    def get_response_details(self, row: TriageResult) -> dict[str, Any] | None:
        details = replies.response_details(row)
        return dict(ResponseDetailsSerializer(details).data) if details else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_error(self, row: TriageResult) -> str | None:
        return f"{row.error_code}: {row.error}" if row.error_code else None


HEAVY = ("body", "headers", "suggested_body", "raw_answer")


class ListedEmailSerializer(VerdictSerializer):
    """A mail and its triage without their texts."""

    status = serializers.ChoiceField(Status.choices)
    suggested_tone = OrNull(list(Tone))
    review_reason = OrNull(ReviewReason.choices)
    cost = serializers.FloatField(allow_null=True, help_text="US dollars; null: not known.")
    response_sent = serializers.BooleanField()
    response_tracking_id = serializers.UUIDField(
        source="response.tracking_id", default=None, allow_null=True
    )

    class Meta(VerdictSerializer.Meta):
        fields = [
            "email_id",
            "status",
            "mode",
            "batch_id",
            "job_id",
            "from_address",
            "from_name",
            "to_address",
            "subject",
            "thread_id",
            "received_at",
            "attachments",
            "metadata",
            "language",
            "decision",
            "confidence",
            "email_type",
            "urgency",
            "reason",
            "suggested_subject",
            "suggested_tone",
            "needs_review",
            "review_reason",
            "never_auto_reply",
            "processing_time_seconds",
            "processed_at",
            "cached",
            "provider",
            "model_version",
            "prompt",
            "usage",
            "cost",
            "used_examples",
            "used_snippets",
            "error_code",
            "error",
            "next_attempt_at",
            "reviewed_at",
            "reviewed_by",
            "response_sent",
            "response_tracking_id",
            "responded_at",
            "is_automatic",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class EmailSerializer(ListedEmailSerializer):
    """A mail and its triage, texts and all."""

    class Meta(ListedEmailSerializer.Meta):
        fields = [*ListedEmailSerializer.Meta.fields, *HEAVY]
        read_only_fields = fields
