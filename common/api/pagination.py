"""Cursor pagination: stable under inserts, constant cost on any page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from common.api.errors import BadQuery

DIGITS = re.compile(r"[0-9]{1,3}")


class CursorPagination(pagination.CursorPagination):
    """``?cursor=``, ``?page_size=`` up to 200 and ``?ordering=``, newest first by default."""

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
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValueError, ValidationError) as error:  # a position of another type
            raise BadQuery({"cursor": ["The cursor is not one of ours."]}) from error

    def decode_cursor(self, request: Request) -> pagination.Cursor | None:
        cursor = super().decode_cursor(request)
        if cursor and not (cursor.offset or cursor.reverse or cursor.position):
            raise NotFound  # it decodes to nothing
        return cursor
