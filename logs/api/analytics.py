"""The figures of delivery over a period."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.api.errors import BadQuery
from common.api.periods import PARAMETERS, PeriodSerializer, read_period
from common.clock import DatabaseClock
from common.days import day_of
from logs import summaries
from logs.models import TOTALS
from tenants.api.views import TenantMixin

_TOTALS = dict(zip(TOTALS, (1280, 1270, 1262, 640, 5, 11, 2, 410, 96, 230, 12, 4), strict=True))
_RATES = summaries.rates_of(_TOTALS)
JANUARY = {
    "period": {"start": "2026-01-01", "end": "2026-01-31"},
    "totals": _TOTALS,
    "rates": _RATES,
    "denominators": summaries.DENOMINATORS,
    "groups": [{"key": "alitools_order_confirmation", "totals": _TOTALS, "rates": _RATES}],
}
MEANINGS = {
    "queued": "Accepted, whatever became of them.",
    "settled": "Tried to the end: not waiting, not cancelled.",
    "sent": "Taken by a server, also those that bounced later.",
    "delivered": "A success report came (RFC 3461); most servers send none.",
    "failed": "Never taken.",
    "bounced": "Refused for good, at once or by a later report.",
    "spam": "Complained about.",
    "opened": "By a person at least once.",
    "clicked": "By a person at least once.",
    "machine_opened": "By a machine at least once.",
    "machine_clicked": "By a machine at least once.",
    "unsubscribed": "Whose recipient unsubscribed through it.",
}


class DeliveryTotalsSerializer(serializers.Serializer[Any]):
    """Messages, each counted once."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: serializers.IntegerField(help_text=MEANINGS[name]) for name in TOTALS}


class DeliveryRatesSerializer(serializers.Serializer[Any]):
    """From 0 to 1; 0 of nothing."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {
            name: serializers.FloatField(help_text=f"`{above}` of `{below}`.")
            for name, (above, below) in summaries.RATES.items()
        }


class DeliveryGroupSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(
        allow_null=True,
        help_text="A day, slug, address, domain or tag; null: messages without a template.",
    )
    totals = DeliveryTotalsSerializer()
    rates = DeliveryRatesSerializer()


class DeliveryFiguresSerializer(serializers.Serializer[Any]):
    period = PeriodSerializer()
    totals = DeliveryTotalsSerializer()
    rates = DeliveryRatesSerializer()
    denominators = serializers.DictField(
        child=serializers.CharField(), help_text="Of which total each rate is a share."
    )
    groups = DeliveryGroupSerializer(many=True, help_text="Empty without `group_by`.")


class DeliveryView(TenantMixin, APIView):
    """What became of messages, from the figures of each day."""

    write_scope = "analytics:read"

    @extend_schema(
        operation_id="analytics_delivery",
        tags=["analytics"],
        summary="Sum up the delivery of a period",
        description=(
            "By the days on which messages were accepted, in the tenant's time zone, with what "
            "became of them since: opens of today count on the day of the message. A live key is "
            "told of live mail, a test key of test mail. Up to 20,000 messages of changed days are "
            "counted when asked; larger days are half a minute old, and very large ones up to "
            "twenty times as old as they take to count."
        ),
        parameters=[
            *PARAMETERS,
            OpenApiParameter(
                "group_by",
                str,
                enum=list(summaries.KEYS),
                description="A message with several tags counts with each.",
            ),
        ],
        responses=DeliveryFiguresSerializer,
        examples=[OpenApiExample("January by template", value=JANUARY, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        today = day_of(timezone.now(), zone=self.tenant.zone)
        first, last = read_period(request, today=today, others=["group_by"])
        figures = summaries.summarize(
            self.tenant,
            mode=self.api_key.mode,
            first=first,
            last=last,
            at=DatabaseClock().now(),
            group_by=_group_by(request),
        )
        return Response(DeliveryFiguresSerializer(figures).data)


def _group_by(request: Request) -> str:
    given = request.query_params.get("group_by")
    if given is not None and given not in summaries.KEYS:
        raise BadQuery({"group_by": [f"One of {', '.join(summaries.KEYS)}."]})
    return given or ""
