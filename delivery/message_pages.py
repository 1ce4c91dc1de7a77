"""What delivery adds to a message's page: its source, and whether its recipient may be mailed."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from common.errors import Gone, Refused
from delivery import building
from delivery.models import Suppression
from delivery.services import left_topic, recipient_of
from logs.models import EmailLog
from tenants.admin_base import TenantAdmin

SHOWN_BYTES = 200_000
ENTRIES_SHOWN = 20


class MessagePages(TenantAdmin):
    """URLs that a message's page asks for; 404 to who may not see the message."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("messages/<int:pk>/raw/", view(self.raw_view), name="delivery_message_raw"),
            path(
                "messages/<int:pk>/source/", view(self.source_view), name="delivery_message_source"
            ),
            path(
                "messages/<int:pk>/recipient/",
                view(self.recipient_view),
                name="delivery_message_recipient",
            ),
        ]
        inherited: list[URLPattern] = super().get_urls()
        return own + inherited

    def raw_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the message as a file to keep; one that can't be made tells why on its page."""
        email = self._seen_message(request, pk)
        try:
            data = source_of(email)
        except Refused as refusal:
            self.message_user(request, refusal_in_words(refusal), messages.ERROR)
            return redirect("admin:logs_emaillog_change", pk)
        response = HttpResponse(data, content_type="message/rfc822")
        response["Content-Disposition"] = f'attachment; filename="{email.tracking_id}.eml"'
        response["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response["X-Content-Type-Options"] = "nosniff"
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "private, no-store"
        return response

    def source_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the first 200 kB of the source as a part of the message's page."""
        email = self._seen_message(request, pk)
        context: dict[str, object] = {}
        try:
            data = source_of(email)
        except Refused as refusal:
            context["refusal"] = refusal_in_words(refusal)
        else:
            context["source"] = data[:SHOWN_BYTES].decode(errors="replace").replace("\r\n", "\n")
            context["is_cut"] = len(data) > SHOWN_BYTES
        headers = {"Cache-Control": "private, no-store"}
        name = "delivery/admin/message_source.html"
        return TemplateResponse(request, name, context, headers=headers)

    def recipient_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer what keeps mail from the message's recipient as a part of its page."""
        email = self._seen_message(request, pk)
        entries = Suppression.objects.for_tenant(email.tenant).in_force(at=timezone.now())
        found = list(entries.filter(address=recipient_of(email)).order_by("topic")[:ENTRIES_SHOWN])
        context = {
            "email": email,
            "entries": found,
            "zone": email.tenant.zone,
            "covers": any(entry.topic in ("", left_topic(email)) for entry in found),
        }
        headers = {"Cache-Control": "private, no-store"}
        name = "delivery/admin/message_recipient.html"
        return TemplateResponse(request, name, context, headers=headers)

    def _seen_message(self, request: HttpRequest, pk: int) -> EmailLog:
        emails = self.admin_of(EmailLog)
        if emails is None:
            raise Http404
        found: EmailLog = emails.row_or_404(request, pk)
        return found


def source_of(email: EmailLog) -> bytes:
    """Return the message as its recipient gets it, but not signed: DKIM signs what goes out.

    Raises:
        Refused: it can't be rendered, or an attachment's file is gone.
        Gone: the content was removed.
    """
    try:
        return building.build_message(email, signers=())
    except FileNotFoundError as error:
        raise Gone("An attachment of this message was removed.") from error


def refusal_in_words(refusal: Refused) -> str:
    if isinstance(refusal, Gone):
        return _("What this message said was removed.")
    return " ".join([_("This message can't be rendered:"), refusal.detail])
