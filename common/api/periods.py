"""``?start_date=&end_date=`` of what is reported by day."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from common.api.errors import BadQuery
from common.api.serializers import StrictSerializer

USUAL = timedelta(days=30)
LONGEST = timedelta(days=1830)
YEARS = range(1970, 9999)
PARAMETERS = [
    OpenApiParameter(
        "start_date",
        date,
        description=f"The first day, in the tenant's time zone; left out: {USUAL.days} days "
        "with the last.",
    ),
    OpenApiParameter(
        "end_date",
        date,
        description=f"The last day, included; left out: today. At most {LONGEST.days} days in all.",
    ),
]


class PeriodSerializer(serializers.Serializer[Any]):
    """The days that an answer is about, both included."""

    start = serializers.DateField()
    end = serializers.DateField()


class _PeriodSerializer(StrictSerializer):
    start_date = serializers.DateField(input_formats=["%Y-%m-%d"], required=False)
    end_date = serializers.DateField(input_formats=["%Y-%m-%d"], required=False)


def read_period(
    request: Request, *, today: date, others: Collection[str] = ()
) -> tuple[date, date]:
    """Return the first and the last day that the request asks for, both included.

    The caller reads the parameters named by ``others``.

    Raises:
        BadQuery: an unknown parameter, no date, the end before the start, too long.
    """
    try:
        query = request.query_params.dict()
        given = _PeriodSerializer.validated({n: v for n, v in query.items() if n not in others})
    except ValidationError as error:
        raise BadQuery(error.detail) from error
    for name, day in given.items():
        if day.year not in YEARS:
            raise BadQuery({name: ["The year is from 1970 to 9998."]})
    last = given.get("end_date", today)
    first = given.get("start_date", last - USUAL + timedelta(days=1))
    if first > last:
        raise BadQuery({"start_date": ["The first day is after the last."]})
    if last - first >= LONGEST:
        raise BadQuery({"start_date": [f"At most {LONGEST.days} days at once."]})
    return first, last
