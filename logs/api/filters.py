"""How messages are found."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters import rest_framework as filters

from common.addresses import parse_address
from common.api.filters import ChoicesFilter, InstantFilter
from common.errors import Refused
from logs.models import EmailLog, EmailStatus, EmailTag
from tenants.models import Mode

LONGEST_NUMBER = 18


class AddressField(forms.CharField):
    """An address, compared as it is stored."""

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        try:
            return parse_address(text, attr="address").addr_spec if text else ""
        except Refused as refusal:
            raise ValidationError(refusal.detail) from refusal


class AddressFilter(filters.CharFilter):  # type: ignore[misc]
    field_class = AddressField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lookup_expr="iexact", **kwargs)


class EmailLogFilter(filters.FilterSet):  # type: ignore[misc]
    """Filters of ``GET /logs``, by field."""

    status = ChoicesFilter(
        choices=EmailStatus.choices, help_text="One status, or several between commas."
    )
    from_address = AddressFilter(help_text="Letter case does not matter.")
    to_address = AddressFilter(help_text="Letter case does not matter.")
    account = filters.CharFilter(method="of_account", help_text="An account's address or id.")
    account_id = filters.CharFilter(method="of_account", help_text="The same as account.")
    template = filters.CharFilter(method="of_template", help_text="A template's slug or id.")
    template_id = filters.CharFilter(method="of_template", help_text="The same as template.")
    batch_id = filters.UUIDFilter()
    tag = filters.CharFilter(method="with_tag")
    mode = filters.ChoiceFilter(choices=Mode.choices)
    topic = filters.CharFilter()
    error_code = filters.CharFilter()
    smtp_message_id = filters.CharFilter(help_text="The Message-ID with its angle brackets.")
    queued_after = InstantFilter(
        field_name="queued_at", lookup_expr="gte", help_text="Queued then or later (ISO 8601)."
    )
    queued_before = InstantFilter(
        field_name="queued_at", lookup_expr="lt", help_text="Queued before that (ISO 8601)."
    )

    class Meta:
        model = EmailLog
        fields: list[str] = []

    def of_account(self, rows: QuerySet[EmailLog], name: str, value: str) -> QuerySet[EmailLog]:
        if is_number(value):
            return rows.filter(account_id=int(value))
        return rows.filter(account__email_address__iexact=value)

    def of_template(self, rows: QuerySet[EmailLog], name: str, value: str) -> QuerySet[EmailLog]:
        if is_number(value):
            return rows.filter(template_id=int(value))
        return rows.filter(template__slug=value)

    def with_tag(self, rows: QuerySet[EmailLog], name: str, value: str) -> QuerySet[EmailLog]:
        tagged = EmailTag.objects.filter(tenant=self.request.auth.tenant, tag=value)
        return rows.filter(pk__in=tagged.values("email_id"))


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
