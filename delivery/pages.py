"""The unsubscribe page: GET asks and never acts, POST acts and may be repeated (RFC 8058)."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from delivery import services
from logs.links import unsubscribed_message
from logs.models import EmailLog


@method_decorator(csrf_exempt, name="dispatch")
class UnsubscribeView(View):
    """No cookie, no CSRF token: mail programs post here; the signed token is the permission."""

    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, token: str, **kwargs: Any) -> Any:
        email = self.email_of(token)
        with translation.override(email.tenant.language):
            response = super().dispatch(request, email)
            response["Referrer-Policy"] = "no-referrer"
            response["Cache-Control"] = "no-store"
            response["Content-Language"] = email.tenant.language
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
        context = {
            "email": email,
            "is_suppressed": services.is_suppressed(email),
            "can_return": services.is_unsubscribed(email),
            "done": done,
        }
        return render(request, "delivery/unsubscribe.html", context, status=status)
