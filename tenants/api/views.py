"""The base of every view set that a tenant's key reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from django.db import models, transaction
from django.views import View
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from common.api.serializers import NothingSerializer
from tenants.idempotency import Answer, Once
from tenants.models import APIKey, Mode, Tenant

M = TypeVar("M", bound=models.Model)
KEY_LENGTH = 256


class TenantMixin(View):
    """Who asks; every query starts from ``self.tenant``."""

    request: Request

    @property
    def api_key(self) -> APIKey:
        key = self.request.auth
        if not isinstance(key, APIKey):
            raise TypeError("a view of a tenant was reached without a key")
        return key

    @property
    def tenant(self) -> Tenant:
        return self.api_key.tenant


class TenantViewSet(TenantMixin, GenericViewSet[M], Generic[M]):
    """A view set of one tenant's rows; a subclass names its scopes and its queryset.

    ``get_queryset`` must start from ``self.tenant``, so that others get 404.
    """

    write_scope: str
    read_scopes: tuple[str, ...] = ()
    filterset_class: Any = None
    search_fields: tuple[str, ...] = ()
    ordering_fields: tuple[str, ...] = ()

    def given(self, *, partial: bool = False) -> Mapping[str, Any]:
        """Return the body's fields, checked; ``partial``: those alone that it names."""
        serializer = self.get_serializer(data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        fields: Mapping[str, Any] = serializer.validated_data
        return fields

    def expect_no_fields(self) -> None:
        """Refuse what an action without fields was given: other types, no JSON, any field."""
        NothingSerializer(data=self.request.data).is_valid(raise_exception=True)


class IdempotentMixin(TenantMixin):
    """For POSTs that send or process: obeys ``Idempotency-Key``."""

    idempotent = True

    def answer_once(self, prepare: Callable[[], Callable[[], Answer]]) -> Response:
        """Return the first answer to this key again, or what the prepared work answers.

        ``prepare`` validates without writing and returns the work, which runs in one transaction.
        """
        once = self._once()
        if once is None:
            work = prepare()
            with transaction.atomic():
                return to_response(work())
        if first := once.first_answer():
            return to_response(first)
        return to_response(once.run(prepare()))

    def answer_once_outside(self, prepare: Callable[[], Callable[[], Answer]]) -> Response:
        """As ``answer_once``, but the work is in no transaction, since it waits on others."""
        once = self._once()
        if once is None:
            return to_response(prepare()())
        if first := once.first_answer():
            return to_response(first)
        return to_response(once.run_outside(prepare()))

    def _once(self) -> Once | None:
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return None
        if not 1 <= len(key) <= KEY_LENGTH or not key.isprintable():
            raise ParseError("Idempotency-Key has 1 to 256 printable characters.")
        if self.api_key.mode == Mode.TEST:  # rehearsed with a test key, it is yet to happen
            key = f"{Mode.TEST}\n{key}"
        http = self.request._request
        request = f"{http.method} {http.path_info}\n".encode() + http.body
        return Once.of(tenant=self.tenant, key=key, request=request)


def to_response(answer: Answer) -> Response:
    headers = {"Idempotent-Replayed": "true"} if answer.is_replay else None
    return Response(answer.data, status=answer.status_code, headers=headers)
