"""Which accounts a list shows."""

from __future__ import annotations

from django_filters import CharFilter, FilterSet

from accounts.models import EmailAccount
from common.api.filters import YesNoFilter


class AccountFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    domain = CharFilter(field_name="domain__name", lookup_expr="iexact")
    email_address = CharFilter(lookup_expr="iexact")
    is_active = YesNoFilter()
    is_default = YesNoFilter(field_name="default_for", lookup_expr="isnull", exclude=True)

    class Meta:
        model = EmailAccount
        fields: list[str] = []
