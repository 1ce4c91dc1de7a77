"""Which templates a list shows."""

from __future__ import annotations

from typing import Any

from django_filters import CharFilter, ChoiceFilter, FilterSet
from rest_framework.filters import SearchFilter
from rest_framework.request import Request

from common.api.filters import YesNoFilter
from templates_app.models import EmailTemplate, SourceFormat


class TemplateFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    slug = CharFilter()
    name = CharFilter(lookup_expr="iexact")
    template_type = CharFilter()
    source_format = ChoiceFilter(choices=SourceFormat.choices)
    is_active = YesNoFilter()

    class Meta:
        model = EmailTemplate
        fields: list[str] = []


class TemplateSearch(SearchFilter):
    """``?search=`` by words in name, subject and HTML."""

    search_description = "All of these words in name, subject or HTML."

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        return queryset.matching(request.query_params.get(self.search_param, ""))
