"""What a list of the admin may be asked for by its address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, FieldDoesNotExist
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

CONDITIONS = {"id", "pk", "exact", "in", "isnull", "gt", "gte", "lt", "lte", "icontains"}
"""What may follow a filter's column in an address."""
KEY = re.compile(r"[0-9]{1,18}")


class CarefulAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Narrows lists by their own filters alone.

    Django takes a condition on any column of the model from the address, which tells what no page
    shows, a character at a time, or holds the web server up with a regular expression.
    """

    list_class: type[ChangeList] = ChangeList
    linked_by: Sequence[str] = ()
    """Columns that our own links narrow the list by, beside its filters."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        if not self._is_column(lookup.partition("__")[0]):
            return True  # a parameter that some filter of ours reads
        if not any(_asks(lookup, of=name) for name in self._narrowed_by(request)):
            return False
        allowed: bool = super().lookup_allowed(lookup, value, request)
        return allowed

    def _is_column(self, name: str) -> bool:
        try:
            self.opts.get_field(name)
        except FieldDoesNotExist:
            return name == "pk"
        return True

    def _narrowed_by(self, request: HttpRequest) -> Iterator[str]:
        yield from self.linked_by
        for one in self.get_list_filter(request):
            if isinstance(one, str):
                yield one
            elif isinstance(one, tuple | list):
                yield one[0]
            else:
                yield one.parameter_name

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list.

        Raises:
            BadRequest: the key of a row, or of what it belongs to, is none.
        """
        if not all(map(KEY.fullmatch, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            raise BadRequest("The key of a chosen row is a whole number.")
        try:
            response: HttpResponse = super().changelist_view(request, extra_context)
        except (OverflowError, DataError) as error:
            raise BadRequest("No row has such a key.") from error
        return response

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return self.list_class


def _asks(lookup: str, *, of: str) -> bool:
    """Tell whether a parameter is the column ``of``, or a usual condition on it."""
    if lookup == of:
        return True
    return lookup.startswith(f"{of}__") and set(lookup[len(of) + 2 :].split("__")) <= CONDITIONS
