"""The product's paths plus a small endpoint and an admin site, to test the frame by."""

from __future__ import annotations

from typing import Any

from django.urls import path
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from unfold.sites import UnfoldAdminSite

from accounts.models import EmailAccount
from common.api.serializers import StrictSerializer
from common.errors import Refused, RefusedTogether
from domains.models import Domain
from sendcraft_project.urls import handler400, handler403, handler404, handler500  # noqa: F401
from sendcraft_project.urls import urlpatterns as product
from templates_app.models import EmailTemplate
from tenants.admin_base import TenantAdmin
from tenants.api.views import IdempotentMixin, TenantViewSet
from tenants.idempotency import Answer
from tenants.models import Membership, Role, Tenant


class NoteSerializer(StrictSerializer):
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=100)


class NoteViewSet(IdempotentMixin, ListModelMixin, RetrieveModelMixin, TenantViewSet[Domain]):
    """Keeps notes as inactive domains, whose rows any app may delete."""

    write_scope = "domains:write"
    read_scopes = ("analytics:read",)
    serializer_class = NoteSerializer
    search_fields = ("name",)
    ordering_fields = ("name",)

    def get_queryset(self):
        return Domain.objects.for_tenant(self.tenant)

    def create(self, request):
        def prepare():
            serializer = NoteSerializer(data=request.data)
            serializer.is_valid(raise_exception=True)
            if serializer.validated_data["name"] == "refused":
                raise RefusedTogether(
                    [
                        Refused("No.", code="no", attr="list.3.name"),
                        Refused("Not this.", code="never", attr="list.4.name"),
                    ]
                )
            return lambda: self.store(serializer.validated_data["name"])

        return self.answer_once(prepare)

    def store(self, name: str) -> Answer:
        row = Domain.objects.create(tenant=self.tenant, name=f"{name}.{Domain.objects.count()}")
        if name == "broken":
            raise RuntimeError("a bug, after the row was written")
        return Answer(201, {"id": row.pk, "name": row.name})


site = UnfoldAdminSite(name="staff")


class DomainAdmin(TenantAdmin):
    change_role = Role.ADMIN
    fields = ["tenant", "name", "description"]
    search_fields = ["name"]
    list_filter = ["tenant"]
    actions = ["stop"]

    def stop(self, request: Any, rows: Any) -> None:
        for row in rows:
            Domain.objects.filter(pk=row.pk).update(is_active=False)


class AccountAdmin(TenantAdmin):
    tenant_path = "domain__tenant"
    change_role = Role.ADMIN
    fields = ["domain", "email_address", "smtp_server", "fallback_account"]
    autocomplete_fields = ["domain"]
    search_fields = ["email_address"]
    list_filter = ["domain"]


class TemplateAdmin(TenantAdmin):
    fields = ["tenant", "slug", "name", "subject", "default_account"]


class ReadOnlyMembershipAdmin(TenantAdmin):
    change_role = None


site.register(Tenant, type("Tenants", (TenantAdmin,), {"tenant_path": "pk"}))
site.register(Domain, DomainAdmin)
site.register(EmailAccount, AccountAdmin)
site.register(EmailTemplate, TemplateAdmin)
site.register(Membership, ReadOnlyMembershipAdmin)

urlpatterns = [
    path("api/v1/notes", NoteViewSet.as_view({"get": "list", "post": "create"})),
    path("api/v1/notes/<int:pk>", NoteViewSet.as_view({"get": "retrieve"})),
    path("staff/", site.urls),
    *product,
]
