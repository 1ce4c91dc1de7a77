"""Filters that refuse what they don't know, instead of answering with everything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError as BadValue
from django.db.models import QuerySet
from django_filters import BaseInFilter, ChoiceFilter, IsoDateTimeFilter, TypedChoiceFilter
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request

from common.api.errors import BadQuery

LONGEST_SEARCH = 200
ALWAYS = {"cursor", "page_size", "search", "ordering"}


class YesNoFilter(TypedChoiceFilter):  # type: ignore[misc]  # django-filter has no types
    """``true`` or ``false``; anything else is an error, where BooleanFilter ignores it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=[("true", "true"), ("false", "false")],
            coerce=lambda value: value == "true",
            **kwargs,
        )


class IndexedYesNoFilter(YesNoFilter):
    """As :class:`YesNoFilter`; a bare boolean column would not use its index, ``IN (1)`` does."""

    def filter(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return rows if value == "" else rows.filter(**{f"{self.field_name}__in": [value]})


class ChoicesFilter(BaseInFilter, ChoiceFilter):  # type: ignore[misc]
    """One of the choices, or several between commas."""


class InstantField(IsoDateTimeField):  # type: ignore[misc]  # django-filter has no types
    """A date-time that a database can hold, in whatever zone it was written."""

    def clean(self, value: Any) -> datetime | None:
        instant: datetime | None = super().clean(value)
        if instant is not None and not 1970 <= instant.year < 9999:
            raise BadValue("The year is from 1970 to 9998.")
        return None if instant is None else instant.astimezone(UTC)


class InstantFilter(IsoDateTimeFilter):  # type: ignore[misc]
    field_class = InstantField


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]
    """Fields by ``filterset_class``; an unknown parameter or a bad value is 400."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        self.refuse_bad_text(request)
        filterset = self.get_filterset(request, queryset, view)
        known = ALWAYS | set(filterset.filters if filterset else ())
        known |= set(getattr(view, "extra_query_params", ()))
        if unknown := sorted(set(request.query_params) - known):
            raise BadQuery({unknown[0]: [f"There is no such parameter: {unknown[0]}."]})
        try:
            filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        except ValidationError as error:
            raise BadQuery(error.detail) from error
        return filtered

    @staticmethod
    def refuse_bad_text(request: Request) -> None:
        for name, value in request.query_params.items():
            if "\0" in value or "\0" in name:
                raise BadQuery({"search": ["A parameter holds a NUL character."]})
            if name == "search" and len(value) > LONGEST_SEARCH:
                raise BadQuery({"search": [f"At most {LONGEST_SEARCH} characters are searched."]})


class StrictOrderingFilter(OrderingFilter):
    """``?ordering=`` by the view's ``ordering_fields``; anything else is 400."""

    def remove_invalid_fields(
        self, queryset: QuerySet[Any], fields: Any, view: Any, request: Request
    ) -> list[str]:
        kept: list[str] = super().remove_invalid_fields(queryset, fields, view, request)
        if len(kept) != len(fields):
            raise BadQuery({"ordering": ["This list can't be ordered by that."]})
        return [*kept, "-id"] if kept and kept[-1].lstrip("-") not in ("id", "pk") else kept
