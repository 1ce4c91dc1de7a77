"""Sending a template to oneself; it stands here because templates know nothing of sending."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.api.fields import Object, Text
from common.api.serializers import StrictSerializer
from delivery import acceptance, submission
from delivery.api.serializers import AcceptedSerializer, Reference
from templates_app.models import EmailTemplate
from tenants.api.views import IdempotentMixin
from tenants.idempotency import Answer

ACCEPTED = 202
TAG = "test"
WANTED = {"to_address": "ana@shop.example", "variables": {"order_number": "A-1001"}}
QUEUED = {
    "tracking_id": "019341a8-6d35-7c4e-9d0a-3f3c5a1b2c4d",
    "status": "queued",
    "from_address": "orders@shop.example",
    "to_address": "ana@shop.example",
    "template_id": "order_confirmation",
    "queued_at": "2026-01-15T10:30:00Z",
    "send_at": None,
}


class TestSerializer(StrictSerializer):
    __test__ = False  # no test, whatever its name begins with

    to_address = Text(help_text="May carry a display name.")
    variables = Object(required=False)
    from_account = Reference(required=False, help_text="Address or number of the account.")


class TemplateTestView(IdempotentMixin, APIView):
    """One message made from a template, tagged ``test``."""

    write_scope = "templates:write"

    @extend_schema(
        operation_id="templates_test",
        summary="Send a template as a test",
        description="A message like any other, with the tag `test` and the same refusals as "
        "`/emails/send`; it needs no scope but that of templates.",
        parameters=[
            OpenApiParameter(
                "ref",
                OpenApiTypes.STR,
                OpenApiParameter.PATH,
                description="The template's id or slug.",
            )
        ],
        request=TestSerializer,
        responses={202: AcceptedSerializer},
        examples=[
            OpenApiExample("To oneself", value=WANTED, request_only=True),
            OpenApiExample("Queued", value=QUEUED, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request, ref: str) -> Response:
        templates = EmailTemplate.objects.for_tenant(self.tenant)
        template = get_object_or_404(templates.named(ref))
        return self.answer_once(lambda: self.prepare(template))

    def prepare(self, template: EmailTemplate) -> Any:
        serializer = TestSerializer(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        wanted = {**serializer.validated_data, "template_id": template.pk, "tags": [TAG]}
        message = submission.read_message(wanted, now=timezone.now())
        prepared = acceptance.prepare(message, tenant=self.tenant, mode=self.api_key.mode)

        def work() -> Answer:
            return Answer(ACCEPTED, AcceptedSerializer(prepared.store()).data)

        return work
