"""Webhooks for staff: set up, tried out, followed; secrets are shown when they are made alone."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from common.errors import Conflict, Refused
from common.keyring import SecretUnreadable
from common.network import default_policy
from logs.models import EmailLog
from tenants.admin_base import (
    LongList,
    OneTenantForm,
    TenantAdmin,
    identity,
    is_list,
    roles_in,
    user_of,
)
from tenants.admin_each import start_for_each
from tenants.models import Role
from webhooks import many, rules, services
from webhooks.events import ALL_TYPES, TYPES
from webhooks.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint

MOST_FOUND = 300
PRE = '<pre style="white-space:pre-wrap;overflow-wrap:anywhere">{}</pre>'
COLOURS: dict[str, str] = {
    DeliveryStatus.PENDING: "info",
    DeliveryStatus.DELIVERED: "success",
    DeliveryStatus.FAILED: "danger",
}
STATES: dict[str, str] = {"on": "success", "failing": "warning", "off": "danger"}


class EndpointForm(OneTenantForm):
    """Asks the same rules as the API."""

    events = forms.MultipleChoiceField(
        label=capfirst(_("events")),
        choices=[(ALL_TYPES, _("everything")), *((one, one) for one in TYPES)],
        initial=[ALL_TYPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )

    def clean_url(self) -> str:
        try:
            return rules.checked_url(self.cleaned_data["url"], policy=default_policy())
        except Refused as refusal:
            raise forms.ValidationError(refusal.detail) from refusal

    def clean_description(self) -> str:
        try:
            return rules.checked_description(self.cleaned_data["description"])
        except Refused as refusal:
            raise forms.ValidationError(refusal.detail) from refusal

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        tenant = cleaned.get("tenant")
        if tenant and not self.instance.pk and services.is_full(tenant):
            self.add_error(None, _("This tenant has as many webhooks as it may have."))
        return cleaned


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(TenantAdmin):
    """Saving goes through the services; a secret is on the answer that made it and never again."""

    change_role = Role.ADMIN
    form = EndpointForm
    list_display = ["shown_url", "tenant", "event_list", "state_label", "failing_since", "off_at"]
    list_filter = ["tenant", "is_active"]
    list_select_related = ["tenant"]
    search_fields = ["url", "description"]
    ordering = ["-id"]
    fields = ["tenant", "url", "description", "events", "is_active"]
    actions = ["send_test"]
    change_form_outer_before_template = "webhooks/admin/verbs.html"
    state_fields = [
        "off_reason", "off_at", "failures", "failing_since", "held_until",
        "previous_secret_until", "created_at", "history",
    ]  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> list[str]:
        return [*self.fields, *(self.state_fields if obj else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), *self.state_fields]

    # Columns

    @admin.display(description=_("URL"), ordering="url")
    def shown_url(self, endpoint: WebhookEndpoint) -> str:
        return f"{endpoint.description} ({endpoint.host})" if endpoint.description else endpoint.url

    @admin.display(description=_("events"))
    def event_list(self, endpoint: WebhookEndpoint) -> str:
        return str(_("everything")) if ALL_TYPES in endpoint.events else ", ".join(endpoint.events)

    @display(description=_("state"), label=STATES)  # type: ignore[untyped-decorator]
    def state_label(self, endpoint: WebhookEndpoint) -> tuple[str, Any]:
        if not endpoint.is_active:
            return "off", endpoint.get_off_reason_display() or _("off")
        return ("failing", _("failing")) if endpoint.failing_since else ("on", _("on"))

    @admin.display(description=_("deliveries"))
    def history(self, endpoint: WebhookEndpoint) -> SafeString:
        address = reverse("admin:webhooks_webhookdelivery_changelist")
        return format_html(
            '<a class="text-primary-600" href="{}?endpoint__id__exact={}">{}</a>',
            address,
            endpoint.pk,
            _("Show what it was told"),
        )

    # Saving and deleting

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: EndpointForm, change: bool
    ) -> None:
        given = {name: form.cleaned_data[name] for name in services.CHANGEABLE}
        if change:
            services.update_endpoint(obj, changes=given)
        else:
            made = services.create_endpoint(tenant=form.cleaned_data["tenant"], **given)
            obj.pk, obj.public_id = made.pk, made.public_id
        obj.refresh_from_db()

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show_secret(request, obj)

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        services.delete_endpoint(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in queryset:
            services.delete_endpoint(endpoint)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the webhooks alone: their history may be long, and Django would load all of it."""
        allowed = all(self.has_delete_permission(request, row) for row in objs)
        missing = set() if allowed else {self.opts.verbose_name}
        return [str(row) for row in objs], {self.opts.verbose_name_plural: len(objs)}, missing, []

    # On the webhook's own page

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        inherited: list[URLPattern] = super().get_urls()
        return [
            path("<int:pk>/test", view(self.test_view), name="webhooks_webhookendpoint_test"),
            path("<int:pk>/rotate", view(self.rotate_view), name="webhooks_webhookendpoint_rotate"),
            path("<int:pk>/resend", view(self.resend_view), name="webhooks_webhookendpoint_resend"),
            *inherited,
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        endpoint: WebhookEndpoint | None = kwargs.get("obj")
        context["may_act"] = endpoint and self.has_admin_permission(request, endpoint)
        may_send = self.has_editor_permission(request, endpoint)
        context["may_resend"] = endpoint and may_send and self._has_failed(endpoint)
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    @method_decorator(require_POST)
    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        endpoint = self.row_to_act_on(request, pk, least=Role.ADMIN)
        self._test(request, endpoint)
        return redirect("admin:webhooks_webhookendpoint_change", pk)

    @method_decorator(require_POST)
    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        endpoint = self.row_to_act_on(request, pk, least=Role.ADMIN)
        try:
            rotated = services.rotate_secret(endpoint, at=timezone.now())
        except (Conflict, SecretUnreadable) as error:
            self.message_user(request, error.detail, messages.ERROR)
            return redirect("admin:webhooks_webhookendpoint_changelist")
        return self._show_secret(request, rotated)

    @method_decorator(require_POST)
    def resend_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send all that failed again, as a job."""
        endpoint = self.row_to_act_on(request, pk, least=Role.EDITOR)
        job = many.start_redelivery(endpoint, created_by=user_of(request))
        return redirect("admin:tenants_backgroundjob_change", job.pk)

    def _has_failed(self, endpoint: WebhookEndpoint) -> bool:
        failed = endpoint.deliveries.filter(status=DeliveryStatus.FAILED)
        return endpoint.is_active and failed.exists()

    def _show_secret(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        """Show the secret in this very answer; no other page does."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("The new secret"),
            "opts": self.opts,
            "endpoint": endpoint,
        }
        return TemplateResponse(request, "webhooks/admin/secret.html", context)

    @admin.action(description=_("Send a test event"), permissions=["admin"])
    def send_test(
        self, request: HttpRequest, rows: QuerySet[WebhookEndpoint]
    ) -> HttpResponse | None:
        return start_for_each(self, request, rows, kind=many.TEST)

    def _test(self, request: HttpRequest, endpoint: WebhookEndpoint) -> None:
        try:
            answer = services.send_test(endpoint)
        except SecretUnreadable as error:
            self.message_user(request, error.detail, messages.ERROR)
            return
        said = {"webhook": endpoint.host, "ms": answer.latency_ms, "error": answer.error}
        if answer.is_ok:
            text = _("%(webhook)s took the test event within %(ms)d ms.") % said
            self.message_user(request, text, messages.SUCCESS)
        else:
            text = _("%(webhook)s did not take the test event: %(error)s") % said
            self.message_user(request, text, messages.ERROR)


class TypeFilter(admin.SimpleListFilter):
    """By the types there are: the table is never asked for them."""

    title = _("type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one, one) for one in TYPES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(type=self.value()) if self.value() in TYPES else queryset


def id_in(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(TenantAdmin):
    """What webhooks were told; nothing is edited, but what failed can be sent again."""

    change_role = None
    list_display = [
        "status_label", "type", "endpoint", "attempts", "response_status", "created_at",
        "next_attempt_at",
    ]  # fmt: skip
    list_display_links = ["type"]
    list_class = LongList
    list_select_related = ["endpoint"]
    list_filter = ["status", TypeFilter, "endpoint"]
    search_fields = ["public_id", "event_id", "tracking_id"]
    search_help_text = _("Id of the delivery, the event or the message")
    ordering = ["-id"]
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    actions = ["redeliver"]
    change_form_outer_before_template = "webhooks/admin/redeliver.html"
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "status", "type", "endpoint", "attempts", "next_attempt_at", "created_at",
                    "delivered_at",
                ]
            },
        ),
        (_("Answer"), {"fields": ["response_status", "error", "answered"]}),
        (_("What was sent"), {"fields": ["sent"]}),
        (_("Details"), {"fields": ["shown_id", "event_id", "about"]}),
    ]  # fmt: skip
    readonly_fields = [name for _title, options in fieldsets for name in options["fields"]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.defer("payload", "response_body") if is_list(request) else rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find whole ids, each by its own index: half of one would read the whole table."""
        if not (term := search_term.strip()):
            return queryset, False
        own = WebhookDelivery.objects.filter(tenant__in=list(roles_in(request)))
        wanted = id_in(term)
        found = {
            pk
            for name in self.search_fields
            if wanted
            for pk in own.filter(**{name: wanted}).values_list("pk", flat=True)[:MOST_FOUND]
        }
        return queryset.filter(pk__in=found), False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        delivery: WebhookDelivery | None = kwargs.get("obj")
        context["may_redeliver"] = delivery and self.has_editor_permission(request, delivery)
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    shown_id = identity("public_id")

    @display(description=_("status"), ordering="status", label=COLOURS)  # type: ignore[untyped-decorator]
    def status_label(self, delivery: WebhookDelivery) -> tuple[str, str]:
        return delivery.status, delivery.get_status_display()

    @admin.display(description=_("message"))
    def about(self, delivery: WebhookDelivery) -> SafeString | str:
        """Lead to the message while it is kept; who sees a tenant's deliveries sees its mail."""
        if delivery.tracking_id is None:
            return "–"
        rows = EmailLog.objects.for_tenant(delivery.tenant)
        email = rows.filter(tracking_id=delivery.tracking_id).only("pk").first()
        if email is None:
            return str(delivery.tracking_id)
        url = reverse("admin:logs_emaillog_change", args=[email.pk])
        link = '<a class="text-primary-600" href="{}">{}</a>'
        return format_html(link, url, delivery.tracking_id)

    @admin.display(description=_("sent body"))
    def sent(self, delivery: WebhookDelivery) -> SafeString:
        body = json.loads(delivery.payload)
        return format_html(PRE, json.dumps(body, ensure_ascii=False, indent=2))

    @admin.display(description=_("response body"))
    def answered(self, delivery: WebhookDelivery) -> SafeString | str:
        return format_html(PRE, delivery.response_body) if delivery.response_body else "–"

    @admin.action(description=_("Send again"), permissions=["editor"])
    def redeliver(
        self, request: HttpRequest, rows: QuerySet[WebhookDelivery]
    ) -> HttpResponse | None:
        return start_for_each(self, request, rows, kind=many.REDELIVERY)

    # On the delivery's own page

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.redeliver_view)
        name = "webhooks_webhookdelivery_redeliver"
        inherited: list[URLPattern] = super().get_urls()
        return [path("<int:pk>/redeliver", view, name=name), *inherited]

    @method_decorator(require_POST)
    def redeliver_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        delivery = self.row_to_act_on(request, pk, least=Role.EDITOR)
        try:
            services.redeliver(delivery)
        except Conflict as conflict:
            if conflict.code == "gone":
                self.message_user(request, _("It was deleted meanwhile."), messages.WARNING)
                return redirect("admin:webhooks_webhookdelivery_changelist")
            text = _("The delivery was left alone: its webhook is off.")
            self.message_user(request, text, messages.WARNING)
        else:
            self.message_user(request, _("The delivery goes out now."), messages.SUCCESS)
        return redirect("admin:webhooks_webhookdelivery_change", pk)
