"""What every request passes: an id in every log line, limits, and a content security policy."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable
from io import BytesIO

import structlog
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

from common.slow import SlowQueries

Next = Callable[[HttpRequest], HttpResponse]
REQUEST_ID = re.compile(r"[A-Za-z0-9._~:+/=-]{1,128}")
logger = logging.getLogger(__name__)

ADMIN_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
DOCS_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
STRICT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


class RequestContextMiddleware:
    """Accepts or makes ``X-Request-ID``, returns it, and warns of a slow request or query."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            with connection.execute_wrapper(SlowQueries(path=request.path)):
                response = self.get_response(request)
            took = time.monotonic() - started
            if took > settings.SLOW_SECONDS:
                extra = {"method": request.method, "path": request.path, "seconds": round(took, 3)}
                logger.warning("slow request", extra=extra)
        response["X-Request-ID"] = request_id
        return response


class LanguageMiddleware(LocaleMiddleware):
    """Pages speak the reader's language, the API speaks English whatever he prefers."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith("/api/"):
            translation.activate("en")
        else:
            super().process_request(request)


class ContentSecurityMiddleware:
    """Sets ``Content-Security-Policy`` where the view set none; strict outside the admin."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "Content-Security-Policy" not in response:
            response["Content-Security-Policy"] = self.policy(request.path)
        return response

    @staticmethod
    def policy(path: str) -> str:
        if path.startswith("/admin/"):
            return ADMIN_POLICY
        return DOCS_POLICY if path.startswith("/docs/") else STRICT_POLICY


class ApiRequestMiddleware:
    """Tolerates a trailing slash under ``/api/`` and refuses a body over the limit (413)."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_api(request.path_info):
            return self.get_response(request)
        if request.path_info.endswith("/"):
            request.path_info = request.path_info.rstrip("/")
        if "Transfer-Encoding" in request.headers:
            take_chunked_body(request, most=settings.REQUEST_LIMIT_BYTES + 1)
        if self.body_length(request) > settings.REQUEST_LIMIT_BYTES:
            return error_answer(413, code="too_large", detail="The request is larger than 40 MB.")
        return self.get_response(request)

    @staticmethod
    def body_length(request: HttpRequest) -> int:
        length = request.META.get("CONTENT_LENGTH") or "0"
        return int(length) if length.isdigit() else 0


def take_chunked_body(request: HttpRequest, *, most: int) -> None:
    """Read a body of unknown length, up to ``most`` bytes; Django itself would see none.

    Only a server that ends the stream where the body ends is asked (``wsgi.input_terminated``).
    """
    if request.META.get("wsgi.input_terminated"):
        body = request.META["wsgi.input"].read(most)
        request.META["CONTENT_LENGTH"] = str(len(body))
        request._stream = BytesIO(body)


def error_answer(status: int, *, code: str, detail: str) -> JsonResponse:
    """Return an error in the API's form, for places where no view runs."""
    kind = "client_error" if status < 500 else "server_error"
    return JsonResponse(
        {"type": kind, "errors": [{"code": code, "detail": detail, "attr": None}]}, status=status
    )
