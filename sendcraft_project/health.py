"""Whether the process is up, may take traffic, and has everything that it needs."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sendcraft_project.celery import app as celery

logger = logging.getLogger(__name__)


def check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def check_broker() -> None:
    """Connect to the broker within a second."""
    with celery.connection(connect_timeout=1) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=1)
    folder = celery.conf.broker_transport_options.get("data_folder_out")
    if folder and not os.access(folder, os.W_OK | os.X_OK):
        raise OSError("the broker's folder can't be written to")  # its transport connects to none


def check_cache() -> None:
    value = uuid.uuid4().hex
    cache.set("health", value, timeout=10)
    if cache.get("health") is None:
        raise OSError("the cache lost what it was given")


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "broker": check_broker,
    "cache": check_cache,
}


def outcome(name: str) -> str:
    """Return ``ok`` or ``unavailable``; the reason goes to the log, not to strangers."""
    try:
        CHECKS[name]()
    except Exception as error:  # noqa: BLE001  (each library has its own family)
        logger.warning("health check failed", extra={"check": name, "error": repr(error)[:200]})
        return "unavailable"
    return "ok"


class HealthView(APIView):
    """Database, broker and cache, each asked now."""

    permission_classes = []
    authentication_classes = []
    throttle_classes = []

    @extend_schema(
        operation_id="health",
        summary="Health of this installation",
        auth=[],
        responses={
            (200, "application/json"): inline_serializer(
                "Health",
                {
                    "status": serializers.ChoiceField(["ok", "unavailable"]),
                    "version": serializers.CharField(),
                    "checks": serializers.DictField(child=serializers.CharField()),
                },
            ),
            (503, "application/json"): inline_serializer(
                "HealthMissing",
                {
                    "status": serializers.ChoiceField(["ok", "unavailable"]),
                    "version": serializers.CharField(),
                    "checks": serializers.DictField(child=serializers.CharField()),
                },
            ),
        },
        examples=[
            OpenApiExample(
                "Everything answers",
                value={
                    "status": "ok",
                    "version": "0.1.0",
                    "checks": {"database": "ok", "broker": "ok", "cache": "ok"},
                },
                status_codes=["200"],
                response_only=True,
            )
        ],
    )
    def get(self, request: Request) -> Response:
        checks = {name: outcome(name) for name in CHECKS}
        healthy = set(checks.values()) == {"ok"}
        data = {
            "status": "ok" if healthy else "unavailable",
            "version": settings.VERSION,
            "checks": checks,
        }
        return Response(data, status=200 if healthy else 503)


def alive(request: HttpRequest) -> JsonResponse:
    """``/healthz``: the process answers."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """``/readyz``: traffic is welcome while the database answers."""
    try:
        check_database()
    except DatabaseError:
        return JsonResponse({"status": "unavailable"}, status=503)
    return JsonResponse({"status": "ok"})
