"""Sending, and who must not be mailed."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.addresses import normalized, parse_address
from common.api.errors import BadQuery
from common.api.filters import StrictFilterBackend, StrictOrderingFilter
from common.api.serializers import shared
from common.errors import Refused
from delivery import acceptance, bulk, services, submission
from delivery.api import serializers
from delivery.api.filters import AddressSearch, SuppressionFilter
from delivery.models import Suppression
from tenants.api.views import IdempotentMixin, TenantViewSet
from tenants.idempotency import Answer

ACCEPTED = 202
ORDER_CONFIRMATION = {
    "template_id": "alitools_order_confirmation",
    "from_account": "encomendas@alitools.pt",
    "to_address": "cliente@example.com",
    "variables": {
        "customer_name": "Ana",
        "order_number": "A-1001",
        "products": [{"name": "Berbequim", "price": "49.90"}],
    },
}
QUEUED = {
    "tracking_id": "019341a8-6d35-7c4e-9d0a-3f3c5a1b2c4d",
    "status": "queued",
    "from_address": "encomendas@alitools.pt",
    "to_address": "cliente@example.com",
    "template_id": "alitools_order_confirmation",
    "queued_at": "2026-01-15T10:30:00Z",
    "send_at": None,
}
NEWSLETTER = {
    "template_id": "alitools_newsletter_monthly",
    "from_account": "marketing@alitools.pt",
    "recipient_list": [
        "ana@example.com",
        {"to_address": "rui@example.com", "variables": {"customer_name": "Rui"}},
    ],
    "variables_global": {"month": "janeiro"},
}
BATCH = {
    "batch_id": "019341a8-7000-7b11-8c1d-0e2f4a6b8c9d",
    "accepted": 1,
    "rejected": [
        {
            "index": 0,
            "to_address": "ana@example.com",
            "code": "suppressed",
            "detail": "This address is suppressed and gets no mail.",
        }
    ],
}


class SendView(IdempotentMixin, APIView):
    """One message."""

    write_scope = "emails:send"

    @extend_schema(
        operation_id="emails_send",
        summary="Send one message",
        description="202 means: stored durably; it will be sent, or its failure will be visible.",
        request=serializers.SendSerializer,
        responses={202: serializers.AcceptedSerializer},
        examples=[
            OpenApiExample("Order confirmation", value=ORDER_CONFIRMATION, request_only=True),
            OpenApiExample("Queued", value=QUEUED, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> Response:
        return self.answer_once(self.prepare)

    def prepare(self) -> Any:
        fields = serializers.SendSerializer.validated(self.request.data)
        message = submission.read_message(fields, now=timezone.now())
        prepared = acceptance.prepare(message, tenant=self.tenant, mode=self.api_key.mode)

        def work() -> Answer:
            email = prepared.store()
            return Answer(ACCEPTED, shared(serializers.AcceptedSerializer).to_representation(email))

        return work


class SendBulkView(IdempotentMixin, APIView):
    """One template to many recipients."""

    write_scope = "emails:send"

    @extend_schema(
        operation_id="emails_send_bulk",
        summary="Send a template to many recipients",
        description=(
            "Up to 10,000 recipients. Those who can't be mailed are listed in `rejected`; "
            "`GET /logs?batch_id=` lists the rest."
        ),
        request=serializers.SendBulkSerializer,
        responses={202: serializers.AcceptedBulkSerializer},
        examples=[
            OpenApiExample("Newsletter", value=NEWSLETTER, request_only=True),
            OpenApiExample("Accepted", value=BATCH, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> Response:
        return self.answer_once(self.prepare)

    def prepare(self) -> Any:
        fields = serializers.SendBulkSerializer.validated(self.request.data)
        wanted = submission.read_bulk(fields, now=timezone.now())
        prepared = bulk.prepare_bulk(wanted, tenant=self.tenant, mode=self.api_key.mode)

        def work() -> Answer:
            accepted = prepared.store()
            return Answer(ACCEPTED, serializers.AcceptedBulkSerializer(accepted).data)

        return work


TOPIC = OpenApiParameter(
    "topic", str, description="Only the entry of this topic; empty: only that for all mail."
)
ENTRY = OpenApiExample(
    "A complaint",
    value={
        "address": "cliente@example.com",
        "reason": "complaint",
        "topic": None,
        "source": "019341a8-6d35-7c4e-9d0a-3f3c5a1b2c4d",
        "created_at": "2026-01-15T10:30:00Z",
        "expires_at": None,
    },
    response_only=True,
)


class SuppressionViewSet(mixins.ListModelMixin, TenantViewSet[Suppression]):
    """Addresses that get no mail."""

    write_scope = "suppressions:write"
    serializer_class = serializers.SuppressionSerializer
    filter_backends = (StrictFilterBackend, AddressSearch, StrictOrderingFilter)
    filterset_class = SuppressionFilter
    search_fields = ("address",)
    ordering_fields = ("created_at", "address")

    def get_queryset(self) -> QuerySet[Suppression]:
        if getattr(self, "swagger_fake_view", False):
            return Suppression.objects.none()
        return Suppression.objects.for_tenant(self.tenant).select_related("source")

    @extend_schema(operation_id="suppressions_list", summary="List suppressions", examples=[ENTRY])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(
        operation_id="suppressions_add",
        summary="Suppress an address",
        request=serializers.NewSuppressionSerializer,
        responses={201: serializers.SuppressionSerializer},
        examples=[
            OpenApiExample("By hand", value={"address": "cliente@example.com"}, request_only=True),
            ENTRY,
        ],
    )
    def create(self, request: Request) -> Response:
        serializer = serializers.NewSuppressionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        entry = services.suppress(
            data["address"],
            tenant=self.tenant,
            reason=data["reason"],
            topic=data.get("topic") or "",
            expires_at=data.get("expires_at"),
        )
        return Response(serializers.SuppressionSerializer(entry).data, status=201)

    @extend_schema(
        operation_id="suppressions_remove",
        summary="Let an address get mail again",
        description="Removes every entry of the address, or only that of one topic.",
        parameters=[TOPIC],
        responses={204: None},
    )
    def destroy(self, request: Request, address: str) -> Response:
        if not self.entries_of(address).delete()[0]:
            raise Http404
        return Response(status=204)

    @extend_schema(
        operation_id="suppressions_get",
        summary="Look an address up",
        description="Answers the widest entry: that for all mail before that of a topic.",
        parameters=[TOPIC],
        examples=[ENTRY],
    )
    def retrieve(self, request: Request, address: str) -> Response:
        entry = self.entries_of(address).select_related("source").order_by("topic").first()
        if entry is None:
            raise Http404
        return Response(serializers.SuppressionSerializer(entry).data)

    def entries_of(self, address: str) -> QuerySet[Suppression]:
        # A parameter misspelt must not remove more than was meant.
        if unknown := sorted(set(self.request.query_params) - {"topic"}):
            raise BadQuery({unknown[0]: [f"There is no such parameter: {unknown[0]}."]})
        try:
            key = normalized(parse_address(address, attr="address"))
        except Refused:
            raise Http404 from None
        entries = Suppression.objects.for_tenant(self.tenant).filter(address=key)
        topic = self.request.query_params.get("topic")
        return entries if topic is None else entries.filter(topic=topic)
