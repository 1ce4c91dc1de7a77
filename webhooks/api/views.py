"""``/webhooks``: who is told of a tenant's events, and what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from common.api.serializers import NothingSerializer
from tenants.api.views import IdempotentMixin, TenantMixin, TenantViewSet
from tenants.idempotency import Answer
from webhooks import services
from webhooks.api import examples
from webhooks.api.filters import DeliveryFilter, WebhookFilter
from webhooks.api.serializers import (
    DeliveryDetailSerializer,
    DeliverySerializer,
    TriedSerializer,
    WebhookSerializer,
)
from webhooks.models import WebhookDelivery, WebhookEndpoint

ID = OpenApiParameter("id", uuid.UUID, OpenApiParameter.PATH)
DELIVERY_ID = OpenApiParameter("delivery_id", uuid.UUID, OpenApiParameter.PATH)


class WebhookMixin(TenantMixin):
    """The webhook in the path."""

    kwargs: dict[str, Any]

    def webhook(self) -> WebhookEndpoint:
        """Return the path's webhook; another tenant's, and what is no id at all, is 404."""
        own = WebhookEndpoint.objects.for_tenant(self.tenant)
        return get_object_or_404(own, public_id=self.path_id("id"))

    def path_id(self, name: str) -> uuid.UUID:
        try:
            return uuid.UUID(self.kwargs[name])
        except ValueError as error:
            raise Http404 from error


@extend_schema(tags=["webhooks"])
@extend_schema_view(
    list=extend_schema(summary="List webhooks", examples=[examples.A_WEBHOOK]),
    retrieve=extend_schema(
        summary="Read a webhook", parameters=[ID], examples=[examples.A_WEBHOOK]
    ),
)
class WebhookViewSet(
    ListModelMixin,
    RetrieveModelMixin,
    WebhookMixin,
    IdempotentMixin,
    TenantViewSet[WebhookEndpoint],
):
    """Set webhooks up and try them out."""

    queryset = WebhookEndpoint.objects.none()
    write_scope = "webhooks:write"
    serializer_class = WebhookSerializer
    filterset_class = WebhookFilter
    search_fields = ("url", "description")
    ordering_fields = ("created_at",)
    lookup_url_kwarg = "id"

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        return WebhookEndpoint.objects.for_tenant(self.tenant)

    def get_object(self) -> WebhookEndpoint:
        return self.webhook()

    @extend_schema(
        summary="Create a webhook",
        description="Its `secret` is in this answer and never again. Up to 50 in a tenant.",
        responses={201: WebhookSerializer},
        examples=[examples.A_NEW_WEBHOOK, examples.A_MADE_WEBHOOK],
    )
    def create(self, request: Request) -> Response:
        endpoint = services.create_endpoint(tenant=self.tenant, **self.given())
        return self._answer(endpoint, status=status.HTTP_201_CREATED, shows_secret=True)

    @extend_schema(
        summary="Replace a webhook's settings",
        description="What is left out stays as it is. Switched on, or at another URL, what waits "
        "for it is sent at once.",
        parameters=[ID],
        examples=[examples.A_NEW_WEBHOOK, examples.A_WEBHOOK],
    )
    def update(self, request: Request, id: str) -> Response:  # noqa: A002 the path's name
        endpoint = self.webhook()
        return self._answer(services.update_endpoint(endpoint, changes=self.given()))

    @extend_schema(
        summary="Change some of a webhook's settings",
        description="Switched on, or at another URL, what waits for it is sent at once.",
        parameters=[ID],
        examples=[examples.A_CHANGE, examples.A_WEBHOOK],
    )
    def partial_update(self, request: Request, id: str) -> Response:  # noqa: A002
        endpoint = self.webhook()
        changes = self.given(partial=True)
        return self._answer(services.update_endpoint(endpoint, changes=changes))

    @extend_schema(
        summary="Delete a webhook",
        description="Its history goes with it.",
        parameters=[ID],
        responses={204: None},
    )
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002
        services.delete_endpoint(self.webhook())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Give a webhook a new secret",
        description="It is in this answer and never again. For 24 hours both secrets sign; an "
        "older one stops at once.",
        parameters=[ID],
        request=NothingSerializer,
        responses={200: WebhookSerializer},
        examples=[examples.NOTHING, examples.A_ROTATED_WEBHOOK],
    )
    def rotate_secret(self, request: Request, id: str) -> Response:  # noqa: A002
        endpoint = self.webhook()
        self.expect_no_fields()
        rotated = services.rotate_secret(endpoint, at=timezone.now())
        return self._answer(rotated, shows_secret=True)

    @extend_schema(
        summary="Try a webhook",
        description="Sends a `webhook.test` event now, also where the webhook is off; takes up "
        "to 15 seconds. A failed test is a 200 as well.",
        parameters=[ID],
        request=NothingSerializer,
        responses={200: TriedSerializer},
        examples=[examples.NOTHING, examples.A_PASSED_TEST, examples.A_FAILED_TEST],
    )
    def test(self, request: Request, id: str) -> Response:  # noqa: A002
        def prepare() -> Callable[[], Answer]:
            endpoint = self.webhook()
            self.expect_no_fields()
            return lambda: Answer(200, TriedSerializer(services.send_test(endpoint)).data)

        return self.answer_once_outside(prepare)

    def _answer(
        self, endpoint: WebhookEndpoint, *, status: int = 200, shows_secret: bool = False
    ) -> Response:
        context = {**self.get_serializer_context(), "shows_secret": shows_secret}
        return Response(WebhookSerializer(endpoint, context=context).data, status=status)


@extend_schema(tags=["webhooks"])
@extend_schema_view(
    list=extend_schema(
        summary="List a webhook's deliveries",
        description="Newest first. Delivered ones are kept for 30 days, others for 90.",
        parameters=[ID],
        examples=[examples.A_DELIVERY],
    ),
    retrieve=extend_schema(
        summary="Read a delivery",
        description="With what was sent and the beginning of what was answered.",
        parameters=[ID, DELIVERY_ID],
        examples=[examples.A_WHOLE_DELIVERY],
    ),
)
class DeliveryViewSet(
    ListModelMixin,
    RetrieveModelMixin,
    WebhookMixin,
    IdempotentMixin,
    TenantViewSet[WebhookDelivery],
):
    """What a webhook was told."""

    queryset = WebhookDelivery.objects.none()
    write_scope = "webhooks:write"
    filterset_class = DeliveryFilter
    search_fields = ("type",)
    ordering_fields = ("created_at",)

    def get_serializer_class(self) -> type[BaseSerializer[WebhookDelivery]]:
        return DeliverySerializer if self.action == "list" else DeliveryDetailSerializer

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        rows = WebhookDelivery.objects.filter(endpoint=self.webhook())
        return rows.defer("payload", "response_body") if self.action == "list" else rows

    def get_object(self) -> WebhookDelivery:
        rows = self.get_queryset().select_related("endpoint")
        return get_object_or_404(rows, public_id=self.path_id("delivery_id"))

    @extend_schema(
        summary="Send a delivery again",
        description="Now and under the same `webhook-id`, whatever came of it before, with three "
        "more days to arrive. 409 `inactive` where the webhook is off.",
        parameters=[ID, DELIVERY_ID],
        request=NothingSerializer,
        responses={202: DeliverySerializer},
        examples=[examples.NOTHING, examples.A_DELIVERY],
    )
    def redeliver(self, request: Request, id: str, delivery_id: str) -> Response:  # noqa: A002
        def prepare() -> Callable[[], Answer]:
            delivery = self.get_object()
            self.expect_no_fields()
            return lambda: Answer(202, DeliverySerializer(services.redeliver(delivery)).data)

        return self.answer_once(prepare)
