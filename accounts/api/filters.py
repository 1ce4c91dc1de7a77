"""Which accounts a list shows."""

from __future__ import annotations

from typing import Any

from django_filters import CharFilter, FilterSet, TypedChoiceFilter

from accounts.models import EmailAccount


class YesNoFilter(TypedChoiceFilter):  # type: ignore[misc]  # django-filter has no types
    """``true`` or ``false``; anything else is an error, where BooleanFilter ignores it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=[("true", "true"), ("false", "false")],
            coerce=lambda value: value == "true",
            **kwargs,
        )


class AccountFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    domain = CharFilter(field_name="domain__name", lookup_expr="iexact")
    email_address = CharFilter(lookup_expr="iexact")
    is_active = YesNoFilter()
    is_default = YesNoFilter(field_name="default_for", lookup_expr="isnull", exclude=True)

    class Meta:
        model = EmailAccount
        fields: list[str] = []
