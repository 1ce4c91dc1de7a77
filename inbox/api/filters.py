"""How inbound mail is found."""

from __future__ import annotations

from django_filters import rest_framework as filters

from common.api.filters import ChoicesFilter, InstantFilter
from inbox.kinds import BounceType, Kind, NeverReply
from inbox.models import InboundEmail
from tenants.models import Mode


class InboundFilter(filters.FilterSet):  # type: ignore[misc]
    """Filters of ``GET /inbound``, by field."""

    kind = ChoicesFilter(choices=Kind.choices, help_text="One kind, or several between commas.")
    bounce_type = filters.ChoiceFilter(choices=BounceType.choices)
    never_auto_reply = filters.ChoiceFilter(choices=NeverReply.choices)
    mode = filters.ChoiceFilter(choices=Mode.choices)
    from_address = filters.CharFilter(lookup_expr="iexact", help_text="Letter case is ignored.")
    recipient = filters.CharFilter(lookup_expr="iexact", help_text="Letter case is ignored.")
    tracking_id = filters.UUIDFilter(field_name="email__tracking_id")
    thread_id = filters.CharFilter(field_name="thread_key")
    received_after = InstantFilter(
        field_name="received_at", lookup_expr="gte", help_text="Then or later (ISO 8601)."
    )
    received_before = InstantFilter(
        field_name="received_at", lookup_expr="lt", help_text="Before that (ISO 8601)."
    )

    class Meta:
        model = InboundEmail
        fields: list[str] = []
