"""The unsubscribe page: GET asks and never acts, POST acts and may be repeated (RFC 8058)."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from delivery import services, topics
from delivery.models import SuppressionReason
from logs.links import unsubscribed_message
from logs.models import EmailLog


@method_decorator(csrf_exempt, name="dispatch")
class UnsubscribeView(View):
    """No cookie, no CSRF token: mail programs post here; the signed token is the permission."""

    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, token: str, **kwargs: Any) -> Any:
        email = self.email_of(token)
        language = language_of(request, default=email.tenant.language)
        with translation.override(language):
            response = super().dispatch(request, email)
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        response["Content-Language"] = language
        patch_vary_headers(response, ["Accept-Language"])
        return response

    @staticmethod
    def email_of(token: str) -> EmailLog:
        tracking_id = unsubscribed_message(token)
        emails = EmailLog.objects.without_variables().select_related("tenant")
        email = emails.filter(tracking_id=tracking_id).first() if tracking_id else None
        if email is None:
            raise Http404
        return email

    def get(self, request: HttpRequest, email: EmailLog) -> HttpResponse:
        return self.page(request, email)

    def post(self, request: HttpRequest, email: EmailLog) -> HttpResponse:
        if request.POST.get("action") == "subscribe":
            services.subscribe_again(email)
            return self.page(request, email, done=True)
        if request.POST.get("List-Unsubscribe") == "One-Click":
            services.unsubscribe(email)
            return self.page(request, email, done=True)
        return self.page(request, email, status=400)

    @staticmethod
    def page(
        request: HttpRequest, email: EmailLog, *, done: bool = False, status: int = 200
    ) -> HttpResponse:
        entry = services.suppression_of(email)
        context = {
            "email": email,
            "topic": topics.in_words(services.left_topic(email)),
            "is_suppressed": entry is not None,
            "is_all_mail": entry is not None and not entry.topic,
            "can_return": entry is not None
            and bool(entry.topic)
            and entry.reason == SuppressionReason.UNSUBSCRIBED,
            "done": done,
        }
        return render(request, "delivery/unsubscribe.html", context, status=status)


def language_of(request: HttpRequest, *, default: str) -> str:
    """Return the first of the reader's languages that we speak, else ``default``.

    The sender's language is a guess; what the recipient's own browser asks for is not.
    """
    for name, _quality in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        try:
            return translation.get_supported_language_variant(name)
        except LookupError:
            continue
    return default
