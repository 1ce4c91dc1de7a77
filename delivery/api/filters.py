"""Filters of lists."""

from __future__ import annotations

import django_filters
from django.utils import timezone
from rest_framework.filters import SearchFilter
from rest_framework.request import Request

from common.addresses import normalized, parse_address
from common.api.filters import YesNoFilter
from common.errors import Refused
from delivery.models import Suppression, SuppressionQuerySet, SuppressionReason


class AddressSearch(SearchFilter):
    """Searches normalized addresses, in whatever letter case it is asked for them."""

    def get_search_terms(self, request: Request) -> list[str]:
        return [term.casefold() for term in super().get_search_terms(request)]


class SuppressionFilter(django_filters.FilterSet):  # type: ignore[misc]
    address = django_filters.CharFilter(
        method="by_address", help_text="The whole address; letter case is ignored."
    )
    topic = django_filters.CharFilter()
    reason = django_filters.ChoiceFilter(choices=SuppressionReason.choices)
    in_force = YesNoFilter(method="by_force", help_text="Whether it keeps mail away now.")

    class Meta:
        model = Suppression
        fields = ["address", "topic", "reason", "in_force"]

    def by_address(
        self, entries: SuppressionQuerySet, name: str, value: str
    ) -> SuppressionQuerySet:
        try:
            return entries.filter(address=normalized(parse_address(value, attr=name)))
        except Refused:
            return entries.none()

    def by_force(self, entries: SuppressionQuerySet, name: str, value: bool) -> SuppressionQuerySet:
        now = timezone.now()
        return entries.in_force(at=now) if value else entries.ended(at=now)
