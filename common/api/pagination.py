"""Cursor pagination: stable under inserts, constant cost on any page."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from common.api.errors import BadQuery

DIGITS = re.compile(r"[0-9]{1,3}")
Position = list[str | None]
"""A row's values of the columns that order the list."""


class CursorPagination(pagination.CursorPagination):
    """``?cursor=``, ``?page_size=`` up to 200 and ``?ordering=``, newest first by default.

    A cursor holds every column of the ordering, whose last one is the id: rows that share a value
    or have none, however many, are neither repeated nor left out.
    """

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = "-id"

    def get_page_size(self, request: Request) -> int | None:
        given = request.query_params.get(self.page_size_query_param)
        if given is None:
            return self.page_size
        if not DIGITS.fullmatch(given) or not 1 <= int(given) <= 200:
            raise BadQuery({"page_size": ["page_size is a whole number from 1 to 200."]})
        return int(given)

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: APIView | None = None,
    ) -> list[Any] | None:
        assert isinstance(queryset, QuerySet) and view  # noqa: S101, PT018  never anything else
        try:
            self.page = self._page(queryset, request, view)
        except (NotFound, ValueError, ValidationError) as error:  # a position of another type
            raise BadQuery({"cursor": ["The cursor is not one of ours."]}) from error
        return self.page

    def _page(self, rows: QuerySet[Any], request: Request, view: APIView) -> list[Any]:
        self.base_url = request.build_absolute_uri()
        self.columns: tuple[str, ...] = self.get_ordering(request, rows, view)
        size = self.get_page_size(request) or self.page_size
        cursor = self.decode_cursor(request)
        is_reverse = cursor is not None and cursor.reverse
        columns = tuple(map(_turned, self.columns)) if is_reverse else self.columns
        if cursor is not None:
            rows = rows.filter(
                _after(_read(str(cursor.position), columns), columns, model=rows.model)
            )
        found = list(rows.order_by(*columns)[: size + 1])
        has_more, page = len(found) > size, found[:size]
        self.has_next = is_reverse or has_more
        self.has_previous = has_more if is_reverse else cursor is not None
        return page[::-1] if is_reverse else page

    def decode_cursor(self, request: Request) -> pagination.Cursor | None:
        cursor = super().decode_cursor(request)
        if cursor and (cursor.offset or not cursor.position):
            raise NotFound  # it is none that we gave
        return cursor

    def get_next_link(self) -> str | None:
        return self._link(self.page[-1], reverse=False) if self.has_next and self.page else None

    def get_previous_link(self) -> str | None:
        return self._link(self.page[0], reverse=True) if self.has_previous and self.page else None

    def _link(self, row: Any, *, reverse: bool) -> str:
        values = [getattr(row, name.lstrip("-")) for name in self.columns]
        position = json.dumps([None if value is None else str(value) for value in values])
        cursor = pagination.Cursor(0, reverse, position)  # type: ignore[arg-type]  # text in fact
        return self.encode_cursor(cursor)


def _turned(column: str) -> str:
    return column[1:] if column.startswith("-") else f"-{column}"


def _read(text: str, columns: Sequence[str]) -> Position:
    """Return a cursor's position.

    Raises:
        ValueError: it is none, or one of another ordering.
    """
    position = json.loads(text)
    if not isinstance(position, list) or len(position) != len(columns):
        raise ValueError("not a position")
    if not all(value is None or isinstance(value, str) for value in position):
        raise ValueError("not a position")
    return position


def _after(position: Position, columns: Sequence[str], *, model: type[Model]) -> Q:
    """Return what holds for the rows behind ``position``; no value comes before every value."""
    column, value = columns[0], position[0]
    name, is_falling = column.lstrip("-"), column.startswith("-")
    further = Q(**{f"{name}__lt" if is_falling else f"{name}__gt": value})
    bound = Q(**{f"{name}__lte" if is_falling else f"{name}__gte": value})
    if value is None:
        further = Q(pk__in=[]) if is_falling else ~Q(**{name: None})
        bound = Q()
    elif is_falling and model._meta.get_field(name).null:
        further |= Q(**{name: None})
        bound = Q()
    if len(columns) == 1:
        return further
    # The bound says nothing new, but an index can use it.
    return bound & (further | Q(**{name: value}) & _after(position[1:], columns[1:], model=model))
