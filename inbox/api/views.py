"""Mail taken in and read back."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.db.models import Prefetch
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from common.api.parsers import StrictJSONParser
from inbox import services
from inbox.api import examples
from inbox.api.filters import InboundFilter
from inbox.api.parsers import MailParser
from inbox.api.serializers import (
    InboundListedSerializer,
    InboundSerializer,
    RawSerializer,
    ReceivedSerializer,
)
from inbox.models import TEXTS, InboundEmail, InboundEmailQuerySet
from logs.models import EmailLog
from tenants.api.views import IdempotentMixin, TenantViewSet
from tenants.idempotency import Answer

ACCEPTED = 202
PUBLIC_ID = OpenApiParameter("public_id", uuid.UUID, OpenApiParameter.PATH)


@extend_schema(tags=["inbound"])
class RawView(IdempotentMixin, APIView):
    """A mail that came in elsewhere."""

    write_scope = "inbound:write"
    parser_classes = [StrictJSONParser, MailParser]

    @extend_schema(
        operation_id="inbound_raw",
        summary="Hand in a mail",
        description=(
            "A whole mail, as it is (`message/rfc822`) or in base64 in JSON. 202 means: stored "
            "durably, and sorted by its structure. The same mail again is answered with what it "
            "was the first time. A mail that could harm its readers is `quarantined`."
        ),
        request={"application/json": RawSerializer, "message/rfc822": OpenApiTypes.BINARY},
        responses={202: ReceivedSerializer},
        examples=[examples.RAW, examples.MAIL, examples.RECEIVED],
    )
    def post(self, request: Request) -> Response:
        return self.answer_once(self.prepare)

    def prepare(self) -> Callable[[], Answer]:
        serializer = RawSerializer(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        prepared = services.prepare(
            serializer.validated_data["raw"],
            tenant=self.tenant,
            at=timezone.now(),
            mode=self.api_key.mode,
        )

        def work() -> Answer:
            return Answer(ACCEPTED, ReceivedSerializer(prepared.store()).data)

        return work


@extend_schema(tags=["inbound"])
@extend_schema_view(
    list=extend_schema(
        operation_id="inbound_list",
        summary="List inbound mail",
        description="Newest first; `search` looks into sender, subject and Message-ID.",
        examples=[examples.LISTED],
    ),
    retrieve=extend_schema(
        operation_id="inbound_get",
        summary="Get an inbound mail",
        parameters=[PUBLIC_ID],
        examples=[examples.INBOUND],
    ),
)
class InboundViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet[InboundEmail]):
    """Mail that came in, and what it is."""

    queryset = InboundEmail.objects.none()
    write_scope = "inbound:write"
    filterset_class = InboundFilter
    search_fields = ("from_address", "from_name", "subject", "message_id")
    ordering_fields = ("received_at",)
    lookup_field = "public_id"

    def get_serializer_class(self) -> type[BaseSerializer[InboundEmail]]:
        return InboundListedSerializer if self.action == "list" else InboundSerializer

    def get_queryset(self) -> InboundEmailQuerySet:
        rows = InboundEmail.objects.for_tenant(self.tenant)
        rows = rows.prefetch_related(Prefetch("email", EmailLog.objects.only("tracking_id")))
        return rows.defer(*TEXTS) if self.action == "list" else rows

    def get_object(self) -> InboundEmail:
        """Return the path's mail; another tenant's, and what is no id at all, is 404."""
        try:
            public_id = uuid.UUID(self.kwargs["public_id"])
        except ValueError as error:
            raise Http404 from error
        found: InboundEmail = get_object_or_404(self.get_queryset(), public_id=public_id)
        return found
