"""A message's page: its history in words, what it says, and what else went to the recipient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from common.errors import Conflict, Gone, Refused
from common.outside_html import outside_page
from logs import changing, services, timeline
from logs.models import Attachment, EmailLog, EmailStatus
from logs.models.content import attachment_storage
from tenants.admin_base import TenantAdmin
from tenants.models import Role

EVENTS_SHOWN = 200
OTHERS_SHOWN = 10
HTML, TEXT, HEADERS, SOURCE = "html", "text", "headers", "source"
VIEWS = {HTML: _("HTML"), TEXT: _("Plain text"), HEADERS: _("Headers"), SOURCE: _("Source")}
TONES: dict[str, str] = {
    EmailStatus.SENT: "good",
    EmailStatus.DELIVERED: "good",
    EmailStatus.FAILED: "bad",
    EmailStatus.BOUNCED: "bad",
    EmailStatus.SPAM: "bad",
    EmailStatus.CANCELLED: "warning",
}


class MessagePage(TenantAdmin):
    """One message; what ``delivery`` knows of it comes from URLs there, found by name."""

    change_form_outer_before_template = "logs/admin/message.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        inherited: list[URLPattern] = super().get_urls()
        return [
            path("<int:pk>/html/", view(self.html_view), name="logs_emaillog_html"),
            path(
                "<int:pk>/attachments/<int:attachment>/",
                view(self.attachment_view),
                name="logs_emaillog_attachment",
            ),
            path("<int:pk>/retry/", view(self.retry_view), name="logs_emaillog_retry"),
            path("<int:pk>/cancel/", view(self.cancel_view), name="logs_emaillog_cancel"),
            *inherited,
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the page in the tenant's time; its parts are made once it may be seen."""
        email = self.get_object(request, object_id)
        if email is None:
            missing: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return missing
        context = (extra_context or {}) | {"page": partial(self.page, request, email)}
        with timezone.override(email.tenant.zone):
            response: HttpResponse = super().change_view(request, object_id, form_url, context)
            return response.render() if isinstance(response, TemplateResponse) else response

    def page(self, request: HttpRequest, email: EmailLog) -> dict[str, Any]:
        """Return what the page shows above the fields."""
        return {
            "email": email,
            "tone": TONES.get(email.status, "plain"),
            "zone": email.tenant.zone,
            "verbs": self.verbs(request, email),
            "coming": timeline.coming(email),
            "why": timeline.why_ended(email),
            **_history(email),
            "said": _said(email, request.GET.get("view", "")),
            "others": _others(email),
        }

    def verbs(self, request: HttpRequest, email: EmailLog) -> list[tuple[str, Any]]:
        """Return what would not be refused now, with its names for people."""
        if not self.has_editor_permission(request, email):
            return []
        is_kept = not email.is_erased and email.content.removed_at is None
        if email.status == EmailStatus.QUEUED:
            return [*([("retry", _("Send now"))] if is_kept else []), ("cancel", _("Cancel"))]
        again = email.status == EmailStatus.FAILED and is_kept
        return [("retry", _("Send again"))] if again else []

    @method_decorator(require_POST)
    def retry_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._change(request, pk, changing.retry, done=_("The message goes out now."))

    @method_decorator(require_POST)
    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._change(request, pk, changing.cancel, done=_("The message is cancelled."))

    def _change(
        self, request: HttpRequest, pk: int, change: Callable[..., None], *, done: Any
    ) -> HttpResponse:
        email = self.row_to_act_on(request, pk, least=Role.EDITOR)
        try:
            change(email, by=request.user.get_username())
        except Conflict as error:
            text = _("The message was left alone. %(why)s") % {"why": changing.WORDS[error.code]}
            self.message_user(request, text, messages.WARNING)
        else:
            self.message_user(request, done, messages.SUCCESS)
        return redirect("admin:logs_emaillog_change", pk)

    # What a page shows in an answer of its own

    def html_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the message's HTML for the sandboxed frame; remote images only when asked for."""
        email = self.row_or_404(request, pk)
        try:
            html = services.rendered_content(email).html
        except Refused as refusal:
            raise Http404 from refusal
        return outside_page(html, with_images=request.GET.get("images") == "1")

    def attachment_view(self, request: HttpRequest, pk: int, attachment: int) -> FileResponse:
        """Answer an attachment as a file to keep, never as a page."""
        email = self.row_or_404(request, pk)
        part = get_object_or_404(Attachment, pk=attachment, part_of=email.content_id)
        try:
            file = attachment_storage().open(part.path, "rb")
        except FileNotFoundError as error:
            raise Http404 from error
        response = FileResponse(
            file,
            as_attachment=True,
            filename=part.filename,
            content_type="application/octet-stream",
        )
        response["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response["X-Content-Type-Options"] = "nosniff"
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "private, no-store"
        return response


def _history(email: EmailLog) -> dict[str, Any]:
    newest = list(email.events.order_by("-at", "-id")[: EVENTS_SHOWN + 1])
    events = newest[:EVENTS_SHOWN][::-1]
    return {"steps": timeline.steps(email, events), "is_cut": len(newest) > EVENTS_SHOWN}


def _said(email: EmailLog, wanted: str) -> dict[str, Any]:
    """Return what the chosen view of the content shows, and which views there are."""
    attachments: Sequence[Attachment] = list(Attachment.objects.filter(part_of=email.content_id))
    said: dict[str, Any] = {"attachments": attachments}
    try:
        made = services.rendered_content(email)
    except Gone:
        return {**said, "is_gone": True}
    except Refused as refusal:
        return {**said, "refusal": str(refusal)}
    has = {HTML: bool(made.html), TEXT: bool(made.text), HEADERS: True, SOURCE: True}
    views = [(name, label) for name, label in VIEWS.items() if has[name]]
    view = wanted if has.get(wanted) else views[0][0]
    shown = services.shown_headers(email, made) if view == HEADERS else {}
    return {**said, "made": made, "views": views, "view": view, "headers": shown}


def _others(email: EmailLog) -> dict[str, Any]:
    """Return the newest messages to the same address; nobody's where the person was erased."""
    if email.is_erased:
        return {"emails": []}
    rows = EmailLog.objects.for_tenant(email.tenant).filter(to_address=email.to_address)
    shown = rows.only("status", "subject", "queued_at").order_by("-pk")
    found = list(shown.filter(~Q(pk=email.pk))[: OTHERS_SHOWN + 1])
    return {"emails": found[:OTHERS_SHOWN], "has_more": len(found) > OTHERS_SHOWN, "tones": TONES}
