"""Templates, their versions and previews as JSON."""

from __future__ import annotations

from typing import Any

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import EmailAccount
from common.api.fields import Flag, Object, Text
from common.api.serializers import StrictModelSerializer, StrictSerializer
from templates_app.models import EmailTemplate, TemplateVersion

TRIMMED = {"trim_whitespace": True}
LONGEST_ADDRESS = 1000


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "integer"}], "nullable": True})
class AccountReference(serializers.Field[Any, Any, Any, Any]):
    """An account: given by address or number, shown by address."""

    default_error_messages = {"invalid": "This must be an address or a number."}

    def to_internal_value(self, data: Any) -> str | int:
        if isinstance(data, bool) or not isinstance(data, str | int):
            self.fail("invalid")
        text = str(data)
        if not text or len(text) > LONGEST_ADDRESS or not text.isprintable():
            self.fail("invalid")
        if text.lstrip("-").isdecimal() and not 0 < int(text) < 2**63:
            self.fail("invalid")
        return data

    def to_representation(self, value: EmailAccount) -> str:
        return value.email_address


class TemplateSerializer(StrictModelSerializer):
    """Shows a template and checks the types of what is given; the services do the rest."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: Text,
        models.TextField: Text,
        models.BooleanField: Flag,
    }
    default_account = AccountReference(
        required=False, allow_null=True, help_text="Its address, or when writing its number."
    )
    variables = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Found in subject, HTML and text: customer.name, products[].price.",
    )

    class Meta:
        model = EmailTemplate
        fields = [
            "id",
            "slug",
            "name",
            "subject",
            "html_content",
            "source_format",
            "text_content",
            "template_type",
            "default_account",
            "variables",
            "track_opens",
            "track_clicks",
            "is_active",
            "usage_count",
            "version",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["usage_count", "version", "created_at", "updated_at"]
        extra_kwargs = {
            "slug": {"required": False, "help_text": "Made from the name when left out."},
            "name": TRIMMED,
            "subject": TRIMMED,
            "template_type": {
                **TRIMMED,
                "help_text": "Also the topic that a recipient of it unsubscribes from.",
            },
        }


class VersionSerializer(serializers.ModelSerializer[TemplateVersion]):
    author = serializers.CharField(source="author_name", help_text="The user's or the key's name.")

    class Meta:
        model = TemplateVersion
        fields = [
            "number",
            "subject",
            "html_content",
            "source_format",
            "text_content",
            "author",
            "created_at",
        ]


class RenderSerializer(StrictSerializer):
    variables = Object(required=False)


class PreviewSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField()
    html = serializers.CharField()
    text = serializers.CharField()
    missing_variables = serializers.ListField(child=serializers.CharField())
