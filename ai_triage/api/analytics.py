"""The figures of triage over a period."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ai_triage import summaries
from common.api.periods import PARAMETERS, PeriodSerializer, read_period
from common.days import day_of
from tenants.api.views import TenantMixin

JANUARY = {
    "period": {"start": "2026-01-01", "end": "2026-01-31"},
    "totals": {
        "emails_processed": 1280,
        "emails_responded": 720,
        "emails_ignored": 560,
        "response_rate": 0.5625,
    },
    "average_metrics": {"processing_time_seconds": 0.842, "confidence_score": 0.91},
    "top_reasons": {
        "respond": [{"reason": "question", "count": 431}, {"reason": "request", "count": 204}],
        "ignore": [{"reason": "newsletter", "count": 322}, {"reason": "spam", "count": 130}],
    },
    "details": {
        "p50_processing_time_seconds": 0.71,
        "p95_processing_time_seconds": 1.92,
        "emails_for_review": 96,
        "review_rate": 0.075,
        "input_tokens": 612400,
        "output_tokens": 118020,
        "cost": 0.47877,
    },
}


class TotalsSerializer(serializers.Serializer[Any]):
    emails_processed = serializers.IntegerField()
    emails_responded = serializers.IntegerField(help_text="Decided `respond`.")
    emails_ignored = serializers.IntegerField(help_text="Decided `ignore`.")
    response_rate = serializers.FloatField(help_text="0 to 1; 0 where nothing was processed.")


class AveragesSerializer(serializers.Serializer[Any]):
    processing_time_seconds = serializers.FloatField()
    confidence_score = serializers.FloatField()


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text="The type of the mail, or a short code.")
    count = serializers.IntegerField()


class ReasonsSerializer(serializers.Serializer[Any]):
    respond = ReasonSerializer(many=True)
    ignore = ReasonSerializer(many=True)


class DetailsSerializer(serializers.Serializer[Any]):
    p50_processing_time_seconds = serializers.FloatField(help_text="Within 5 %.")
    p95_processing_time_seconds = serializers.FloatField(help_text="Within 5 %.")
    emails_for_review = serializers.IntegerField(help_text="Sent to a person.")
    review_rate = serializers.FloatField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost = serializers.FloatField(help_text="In US dollars, of the models whose price is known.")


class SummarySerializer(serializers.Serializer[Any]):
    period = PeriodSerializer()
    totals = TotalsSerializer()
    average_metrics = AveragesSerializer()
    top_reasons = ReasonsSerializer()
    details = DetailsSerializer()


class SummaryView(TenantMixin, APIView):
    """What triage did, from the figures of each day."""

    write_scope = "analytics:read"

    @extend_schema(
        operation_id="analytics_summary",
        tags=["analytics"],
        summary="Sum up the triage of a period",
        description=(
            "By the days on which mail was processed, in the tenant's time zone. A live key is "
            "told of live mail, a test key of test mail. Today is counted when asked (beyond "
            "10,000 mails: a minute ago)."
        ),
        parameters=PARAMETERS,
        responses=SummarySerializer,
        examples=[OpenApiExample("January", value=JANUARY, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        today = day_of(now, zone=self.tenant.zone)
        first, last = read_period(request, today=today)
        figures = summaries.summarize(
            self.tenant, mode=self.api_key.mode, first=first, last=last, at=now
        )
        return Response(SummarySerializer(figures).data)
