"""Messages and their history, read back; what may still change is an action, never a field."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from common.api.schema import ErrorSerializer
from common.api.serializers import NothingSerializer
from logs import services, transitions
from logs.api import examples
from logs.api.filters import EmailLogFilter
from logs.api.serializers import (
    ContentSerializer,
    EventSerializer,
    MessageSerializer,
    RescheduleSerializer,
)
from logs.models import EmailEvent, EmailLog, EventType
from logs.models.email import EmailLogQuerySet
from tenants.api.views import IdempotentMixin, TenantMixin, TenantViewSet
from tenants.idempotency import Answer
from tenants.models import Tenant

GONE = OpenApiResponse(ErrorSerializer, "The content was removed: `gone`.")
TRACKING_ID = OpenApiParameter("tracking_id", uuid.UUID, OpenApiParameter.PATH)


class MessageMixin(TenantMixin):
    """Finds the tenant's messages by the ``tracking_id`` of the path."""

    kwargs: dict[str, Any]

    def messages(self) -> EmailLogQuerySet:
        return messages_of(self.tenant)

    def message(self, rows: EmailLogQuerySet | None = None) -> EmailLog:
        """Return the path's message; another tenant's, and what is no id at all, is 404."""
        try:
            tracking_id = uuid.UUID(self.kwargs["tracking_id"])
        except ValueError as error:
            raise Http404 from error
        found = self.messages() if rows is None else rows
        email: EmailLog = get_object_or_404(found, tracking_id=tracking_id)
        return email


def messages_of(tenant: Tenant) -> EmailLogQuerySet:
    """Return the tenant's messages with what a list shows, and nothing heavy."""
    heavy = [
        f"template__{name}" for name in ("subject", "html_content", "text_content", "variables")
    ]
    rows = EmailLog.objects.for_tenant(tenant).without_variables()
    return rows.select_related("template").defer(*heavy)


@extend_schema(tags=["logs"])
@extend_schema_view(
    list=extend_schema(
        summary="List messages",
        description="Newest first; `search` looks into recipient, subject, tracking id and "
        "Message-ID.",
        examples=[examples.MESSAGE],
    ),
    retrieve=extend_schema(
        summary="Get a message", parameters=[TRACKING_ID], examples=[examples.MESSAGE]
    ),
)
class EmailLogViewSet(
    ListModelMixin, RetrieveModelMixin, MessageMixin, IdempotentMixin, TenantViewSet[EmailLog]
):
    """Follow messages and change what has not happened yet."""

    queryset = EmailLog.objects.none()
    serializer_class = MessageSerializer
    filterset_class = EmailLogFilter
    search_fields = ("to_address", "subject", "tracking_id", "smtp_message_id")
    ordering_fields = ("queued_at",)
    lookup_field = "tracking_id"
    write_scope = "emails:send"
    read_scopes = ("emails:read",)

    def get_queryset(self) -> EmailLogQuerySet:
        return self.messages()

    def get_object(self) -> EmailLog:
        return self.message()

    @extend_schema(
        summary="Show what a message says",
        description="Rendered again from the template version and variables it was accepted with.",
        parameters=[TRACKING_ID],
        responses={200: ContentSerializer, 410: GONE},
        examples=[examples.CONTENT],
    )
    def content(self, request: Request, tracking_id: str) -> Response:
        rows = EmailLog.objects.for_tenant(self.tenant)
        email = self.message(
            rows.select_related("tenant", "account__domain", "content__template_version")
        )
        made = services.rendered_content(email)
        shown = {
            "subject": made.subject,
            "html_content": made.html,
            "text_content": made.text,
            "headers": services.shown_headers(email, made),
        }
        return Response(ContentSerializer(shown).data)

    @extend_schema(
        summary="Cancel a queued message",
        parameters=[TRACKING_ID],
        request=NothingSerializer,
        responses=MessageSerializer,
        examples=[examples.NOTHING, examples.CANCELLED],
    )
    def cancel(self, request: Request, tracking_id: str) -> Response:
        def work(email: EmailLog, _given: dict[str, Any]) -> None:
            transitions.cancel(email, at=timezone.now())

        return self._change(NothingSerializer, work)

    @extend_schema(
        summary="Send a queued message at another time",
        parameters=[TRACKING_ID],
        request=RescheduleSerializer,
        responses=MessageSerializer,
        examples=[examples.RESCHEDULE, examples.WAITING],
    )
    def reschedule(self, request: Request, tracking_id: str) -> Response:
        def work(email: EmailLog, given: dict[str, Any]) -> None:
            transitions.reschedule(email, send_at=given["send_at"], at=timezone.now())

        return self._change(RescheduleSerializer, work)

    @extend_schema(
        summary="Send a queued or failed message now",
        description="Under the same Message-ID, so that a receiver can tell a second copy.",
        parameters=[TRACKING_ID],
        request=NothingSerializer,
        responses=MessageSerializer,
        examples=[examples.NOTHING, examples.WAITING],
    )
    def retry(self, request: Request, tracking_id: str) -> Response:
        def work(email: EmailLog, _given: dict[str, Any]) -> None:
            transitions.retry(email, at=timezone.now())

        return self._change(NothingSerializer, work)

    def _change(
        self,
        serializer_class: type[Serializer[Any]],
        work: Callable[[EmailLog, dict[str, Any]], None],
    ) -> Response:
        """Validate the body, run ``work`` on the path's message once, and answer the message."""

        def prepare() -> Callable[[], Answer]:
            email = self.message()
            body = serializer_class(data=self.request.data)
            body.is_valid(raise_exception=True)

            def run() -> Answer:
                work(email, body.validated_data)
                return Answer(200, MessageSerializer(email).data)

            return run

        return self.answer_once(prepare)


@extend_schema(tags=["logs"])
@extend_schema_view(
    list=extend_schema(
        summary="List a message's events",
        description="Oldest first; the first page begins with `queued`.",
        parameters=[TRACKING_ID],
        examples=[examples.EVENT, examples.CLICKED],
    )
)
class EmailEventViewSet(ListModelMixin, MessageMixin, TenantViewSet[EmailEvent]):
    """A message's history."""

    queryset = EmailEvent.objects.none()
    serializer_class = EventSerializer
    ordering = ("at", "id")
    write_scope = "emails:send"
    read_scopes = ("emails:read",)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        email = self.message()
        rows = self.filter_queryset(EmailEvent.objects.filter(email=email))
        page = list(self.paginate_queryset(rows) or [])
        if self.paginator.get_previous_link() is None:  # type: ignore[union-attr]
            queued = transitions.event_of(email, EventType.QUEUED, at=email.queued_at)
            page.insert(0, queued)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
