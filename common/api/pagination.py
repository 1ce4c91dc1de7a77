"""Cursor pagination: stable under inserts, constant cost on any page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from common.api.errors import BadQuery


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
        if not given.isascii() or not given.isdigit() or not 1 <= int(given[:9]) <= 200:
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
        except NotFound as error:
            raise BadQuery({"cursor": ["The cursor is not one of ours."]}) from error
