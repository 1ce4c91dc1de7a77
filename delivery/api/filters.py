"""Filters of lists."""

from __future__ import annotations

import django_filters

from delivery.models import Suppression, SuppressionReason


class SuppressionFilter(django_filters.FilterSet):  # type: ignore[misc]
    address = django_filters.CharFilter(lookup_expr="iexact")
    topic = django_filters.CharFilter()
    reason = django_filters.ChoiceFilter(choices=SuppressionReason.choices)

    class Meta:
        model = Suppression
        fields = ["address", "topic", "reason"]
