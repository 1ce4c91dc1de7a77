"""Accounts and the answers of their tests as JSON."""

from __future__ import annotations

from typing import Any

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import EmailAccount
from accounts.rules import SECRET_LENGTH
from common.api.fields import Flag, Text
from common.api.serializers import StrictModelSerializer
from common.smtp import Stage

LIMIT = {"max_value": 1_000_000_000}
TRIMMED = {"trim_whitespace": True}
ADDRESS_LENGTH = 1000  # a longer one is no address, whatever it holds


class SecretField(Text):
    """A password: taken over as it is, never shown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            write_only=True,
            required=False,
            allow_blank=True,
            allow_null=True,
            max_length=SECRET_LENGTH,
            help_text="Empty keeps the stored one, null removes it.",
            **kwargs,
        )


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}], "nullable": True})
class AccountReference(serializers.PrimaryKeyRelatedField[EmailAccount]):
    """Another account: given by id or address, shown as id."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(queryset=EmailAccount.objects.none(), **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not isinstance(data, int | str):
            self.fail("incorrect_type", data_type=type(data).__name__)
        if isinstance(data, str) and "\0" in data:
            self.fail("does_not_exist", pk_value="")
        return data


class AccountSerializer(StrictModelSerializer):
    """Shows an account and checks the types of what is given; ``accounts.rules`` does the rest."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: Text,
        models.BooleanField: Flag,
    }
    domain = Text(
        required=False, max_length=253, help_text="Its name; left out: that of the address."
    )
    email_address = Text(max_length=ADDRESS_LENGTH)
    bounce_address = Text(
        required=False,
        allow_blank=True,
        max_length=ADDRESS_LENGTH,
        help_text="Envelope sender of the account's mail, as local+TOKEN@domain with a signed "
        "token for each message. Empty: the account's own address.",
    )
    smtp_password = SecretField()
    imap_password = SecretField()
    is_default = Flag(
        required=False, help_text="At most one account of a tenant; the last one chosen."
    )
    paused_reason = serializers.SerializerMethodField()
    fallback_account = AccountReference(
        required=False, allow_null=True, help_text="The id, or when writing the address as well."
    )

    class Meta:
        model = EmailAccount
        fields = [
            "id",
            "email_address",
            "display_name",
            "domain",
            "smtp_server",
            "smtp_port",
            "smtp_username",
            "smtp_password",
            "use_tls",
            "use_ssl",
            "allow_plaintext",
            "is_active",
            "is_default",
            "paused_reason",
            "last_used",
            "max_connections",
            "limit_per_second",
            "limit_per_minute",
            "limit_per_hour",
            "limit_per_day",
            "warmup_start",
            "warmup_growth",
            "warmup_ceiling",
            "fallback_account",
            "imap_server",
            "imap_port",
            "imap_username",
            "imap_password",
            "imap_use_ssl",
            "imap_folder",
            "reads_mail",
            "bounce_address",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["is_active", "last_used", "created_at", "updated_at"]
        extra_kwargs = {
            "display_name": TRIMMED,
            "smtp_server": TRIMMED,
            "smtp_username": TRIMMED,
            "imap_server": TRIMMED,
            "imap_username": TRIMMED,
            "imap_folder": TRIMMED,
            "limit_per_second": LIMIT,
            "limit_per_minute": LIMIT,
            "limit_per_hour": LIMIT,
            "limit_per_day": LIMIT,
            "warmup_start": LIMIT,
            "warmup_ceiling": LIMIT,
        }

    def get_paused_reason(self, account: EmailAccount) -> str | None:
        return account.paused_reason or None


class AccountTestSerializer(serializers.Serializer[Any]):
    """How far a connection got, and why not further."""

    ok = serializers.BooleanField()
    stage = serializers.ChoiceField([stage.value for stage in Stage])
    detail = serializers.CharField()
    capabilities = serializers.ListField(child=serializers.CharField())
    latency_ms = serializers.IntegerField()
