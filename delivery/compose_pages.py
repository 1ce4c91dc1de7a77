"""The page on which one message is written and sent by hand."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from common.errors import Conflict, Refused
from delivery import services
from delivery.composing import FILES, ChoiceForm, ComposeForm
from delivery.submission import Message
from templates_app.models import EmailTemplate
from tenants.admin_base import TenantAdmin
from tenants.idempotency import Answer, Once
from tenants.models import Mode, Tenant, TenantQuerySet
from tenants.roles import LEAST_ROLE, Verb, tenants_of


class ComposePages(TenantAdmin):
    """The URL of the page; its query names the tenant and the template that its form is for.

    The form names both again, as they are chosen above it: what is chosen anew is asked for before
    anything is sent, with what was entered so far.
    """

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.compose_view)
        inherited: list[URLPattern] = super().get_urls()
        return [path("compose/", view, name="delivery_compose"), *inherited]

    def compose_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what shall be sent, show what it would look like, or send it."""
        tenants = tenants_of(request.user, least=LEAST_ROLE[Verb.SEND]).filter(is_active=True)
        tenants = tenants.order_by("name")
        tenant, template = choice_of(request.GET, tenants)
        if request.method != "POST":
            form = ComposeForm(tenant=tenant, template=template)
            return self._page(request, form, tenants=tenants)
        chosen = choice_of({**request.GET.dict(), **request.POST.dict()}, tenants)
        if "choose" in request.POST or chosen != (tenant, template):
            return self._asked_anew(request, *chosen, tenants=tenants)
        is_preview = "preview" in request.POST
        form = ComposeForm(
            request.POST,
            request.FILES,
            tenant=tenant,
            template=template,
            is_preview=is_preview,
            lost=request.POST.getlist("lost"),
        )
        shown = None
        if form.is_valid():
            try:
                if not is_preview:
                    return self._sent(request, form)
                shown = form.shown()
            except Refused as refusal:
                form.show(refusal)
            except Conflict as conflict:
                form.add_error(None, conflict.detail)
        form.give_back()
        return self._page(request, form, tenants=tenants, shown=shown)

    def _asked_anew(
        self,
        request: HttpRequest,
        tenant: Tenant,
        template: EmailTemplate | None,
        *,
        tenants: TenantQuerySet,
    ) -> HttpResponse:
        """Ask what this choice needs, and send nothing; what was entered is filled in."""
        given = request.POST.dict()
        files = [str(file.name) for file in request.FILES.getlist(FILES)]
        if files:  # what was said of others does not hold for these
            given["without_files"] = ""
        lost = files or request.POST.getlist("lost")
        form = ComposeForm(tenant=tenant, template=template, lost=lost, initial=given)
        if "choose" not in request.POST:
            text = _("Another template or tenant was chosen: please look again before you send.")
            messages.warning(request, text)
        if lost and not given.get("without_files"):
            messages.warning(request, form.told_lost())
        return self._page(request, form, tenants=tenants)

    def _sent(self, request: HttpRequest, form: ComposeForm) -> HttpResponse:
        """Send the message and go to its page; pressed twice, the button sends it once."""
        message = form.message(by=request.user.get_username())
        once = Once.of(tenant=form.tenant, key=key_of(request, message), request=b"")

        def work() -> Answer:
            email = services.submit(message, tenant=form.tenant, mode=Mode.LIVE)
            return Answer(202, {"email": email.pk})

        answer = once.first_answer() or once.run(work)
        self.message_user(request, _("The message is on its way."), messages.SUCCESS)
        return redirect("admin:logs_emaillog_change", answer.data["email"])

    def _page(
        self,
        request: HttpRequest,
        form: ComposeForm,
        *,
        tenants: TenantQuerySet,
        shown: Any = None,
    ) -> HttpResponse:
        chosen = {"tenant": form.tenant.pk, "template": form.template and form.template.pk}
        context = {
            **self.admin_site.each_context(request),
            "title": _("Write a message"),
            "content_title": _("Write a message"),
            "form": form,
            "action": "?" + urlencode({name: pk or "" for name, pk in chosen.items()}),
            "choice": ChoiceForm(initial=chosen, tenants=tenants, tenant=form.tenant),
            "shown": shown,
            "once": request.POST.get("once") or uuid.uuid4().hex,
        }
        return TemplateResponse(request, "delivery/admin/compose.html", context)


def choice_of(
    given: Mapping[str, str], tenants: TenantQuerySet
) -> tuple[Tenant, EmailTemplate | None]:
    """Return the tenant and the template that are named; raises as ``chosen_tenant``."""
    tenant = chosen_tenant(given.get("tenant", ""), tenants)
    return tenant, chosen_template(given.get("template", ""), tenant)


def chosen_tenant(wanted: str, tenants: TenantQuerySet) -> Tenant:
    """Return the tenant of this key, else the first.

    Raises:
        Http404: the user may not send there, or it is none.
        PermissionDenied: the user may send nowhere.
    """
    found = tenants.filter(pk=wanted).first() if wanted.isdecimal() else tenants.first()
    if found is None and wanted:
        raise Http404
    if found is None:
        raise PermissionDenied
    return found


def chosen_template(wanted: str, tenant: Tenant) -> EmailTemplate | None:
    """Return the template of this key; None for another tenant's: it has changed."""
    if not wanted.isdecimal():
        return None
    return EmailTemplate.objects.for_tenant(tenant).filter(pk=wanted, is_active=True).first()


def key_of(request: HttpRequest, message: Message) -> str:
    """Return what tells this press of the button from others: the page's mark, text and files."""
    given = sorted((k, v) for k, v in request.POST.items() if k != "csrfmiddlewaretoken")
    files = [(file.filename, file.sha256) for file in message.options.files]
    digest = hashlib.sha256(repr((request.GET.urlencode(), given, files)).encode()).hexdigest()
    return f"compose {request.user.pk} {digest}"
