"""Sending a template to oneself from the studio; here because templates know nothing of sending."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from common.errors import Refused
from delivery import acceptance, submission
from logs.models import EmailLog
from templates_app import studio
from templates_app.models import EmailTemplate
from tenants.admin_base import TenantAdmin

TAG = "test"
LIVE = "live"


class TemplateTests(TenantAdmin):
    """The URL that a template's page posts its draft to."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.template_test_view)
        own = [path("test-template/<int:pk>", view, name="delivery_template_test")]
        inherited: list[URLPattern] = super().get_urls()
        return own + inherited

    @method_decorator(require_POST)
    def template_test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send the draft to the address entered; 404 to who may not change the template."""
        template = self._own_template(request, pk)
        draft = studio.Draft.of(template, {**request.POST.dict()})
        refusal, email = "", None
        try:
            email = send_draft(draft, template, to=request.POST.get("to_address", ""))
        except Refused as error:
            refusal = error.detail
        if "HX-Request" in request.headers:
            context = {"email": email, "refusal": refusal}
            return TemplateResponse(request, "delivery/admin/test_sent.html", context)
        level = messages.ERROR if email is None else messages.SUCCESS
        self.message_user(request, refusal or _("The test is on its way."), level)
        return redirect(reverse("admin:templates_app_emailtemplate_change", args=[pk]))

    def _own_template(self, request: HttpRequest, pk: int) -> EmailTemplate:
        templates = self.admin_of(EmailTemplate)
        if templates is None:
            raise Http404
        found: EmailTemplate = templates.row_or_404(request, pk, to_change=True)
        return found


def send_draft(draft: studio.Draft, template: EmailTemplate, *, to: str) -> EmailLog:
    """Queue ``draft`` of ``template`` with its sample data as a message with the tag ``test``.

    Raises:
        Refused: it can't be rendered, lacks a variable, or ``/emails/send`` would refuse it.
    """
    tenant = template.tenant
    if draft.is_empty:
        raise Refused(_("There is nothing to send yet."), attr="html_content")
    shown = studio.show(draft, language=tenant.language)
    refuse_unready(shown)
    wanted = {
        "to_address": to.strip(),
        "subject": shown.rendered.subject,
        "html": shown.rendered.html,
        "text": shown.rendered.text,
        "from_account": template.default_account_id,
        "tags": [TAG],
    }
    message = submission.read_message(wanted, now=timezone.now())
    with transaction.atomic():
        return acceptance.prepare(message, tenant=tenant, mode=LIVE).store()


def refuse_unready(shown: studio.Shown) -> None:
    if shown.problems:
        problem = shown.problems[0]
        raise Refused(problem.text, attr=problem.field)
    if shown.missing:
        text = _("The sample data lacks %(names)s.")
        raise Refused(text % {"names": ", ".join(shown.missing)}, attr="sample_data")
