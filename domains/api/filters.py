"""Which domains a list shows."""

from __future__ import annotations

from django.db.models import QuerySet
from django_filters import CharFilter, FilterSet

from common.api.errors import BadQuery
from common.api.filters import YesNoFilter
from common.errors import Refused
from domains.models import Domain
from domains.names import normalize_domain


class DomainFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    name = CharFilter(method="named", help_text="The whole name, in any spelling.")
    is_active = YesNoFilter()

    class Meta:
        model = Domain
        fields: list[str] = []

    def named(self, rows: QuerySet[Domain], field: str, text: str) -> QuerySet[Domain]:
        try:
            return rows.filter(name=normalize_domain(text))
        except Refused as refusal:
            raise BadQuery({"name": [refusal.detail]}) from refusal
