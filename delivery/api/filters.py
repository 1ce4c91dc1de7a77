"""Filters of lists."""

from __future__ import annotations

import django_filters
from django.utils import timezone

from common.api.filters import YesNoFilter
from delivery.models import Suppression, SuppressionQuerySet, SuppressionReason


class SuppressionFilter(django_filters.FilterSet):  # type: ignore[misc]
    address = django_filters.CharFilter(lookup_expr="iexact")
    topic = django_filters.CharFilter()
    reason = django_filters.ChoiceFilter(choices=SuppressionReason.choices)
    in_force = YesNoFilter(method="by_force", help_text="Whether it keeps mail away now.")

    class Meta:
        model = Suppression
        fields = ["address", "topic", "reason", "in_force"]

    def by_force(self, entries: SuppressionQuerySet, name: str, value: bool) -> SuppressionQuerySet:
        now = timezone.now()
        return entries.in_force(at=now) if value else entries.ended(at=now)
