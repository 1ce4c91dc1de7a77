"""How triaged mail is found."""

from __future__ import annotations

from django_filters import rest_framework as filters

from ai_triage.kinds import Decision, EmailType, Urgency
from ai_triage.models import ReviewReason, Status, TriageResult
from common.api.filters import IndexedYesNoFilter, InstantFilter
from inbox.kinds import NeverReply
from tenants.models import Mode


class EmailFilter(filters.FilterSet):  # type: ignore[misc]
    """Filters of ``GET /emails``, by field."""

    status = filters.ChoiceFilter(choices=Status.choices)
    decision = filters.ChoiceFilter(choices=[(one, one) for one in Decision])
    email_type = filters.ChoiceFilter(choices=[(one, one) for one in EmailType])
    urgency = filters.ChoiceFilter(choices=[(one, one) for one in Urgency])
    needs_review = IndexedYesNoFilter(help_text="Whether a person must look.")
    review_reason = filters.ChoiceFilter(choices=ReviewReason.choices)
    never_auto_reply = filters.ChoiceFilter(choices=NeverReply.choices)
    batch_id = filters.UUIDFilter()
    mode = filters.ChoiceFilter(choices=Mode.choices)
    from_address = filters.CharFilter(lookup_expr="iexact", help_text="Letter case is ignored.")
    to_address = filters.CharFilter(lookup_expr="iexact", help_text="Letter case is ignored.")
    thread_id = filters.CharFilter()
    received_after = InstantFilter(
        field_name="received_at", lookup_expr="gte", help_text="Then or later (ISO 8601)."
    )
    received_before = InstantFilter(
        field_name="received_at", lookup_expr="lt", help_text="Before that (ISO 8601)."
    )
    processed_after = InstantFilter(
        field_name="processed_at", lookup_expr="gte", help_text="Then or later (ISO 8601)."
    )
    processed_before = InstantFilter(
        field_name="processed_at", lookup_expr="lt", help_text="Before that (ISO 8601)."
    )

    class Meta:
        model = TriageResult
        fields: list[str] = []
