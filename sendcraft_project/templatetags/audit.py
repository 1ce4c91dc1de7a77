"""The way from a row's page to what the audit log says of it."""

from __future__ import annotations

from urllib.parse import urlencode

from django import template
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.template import Context
from django.urls import reverse

from sendcraft_project.audit import WATCHED, tenant_of
from tenants.models import Role
from tenants.roles import tenants_of

register = template.Library()


@register.simple_tag(takes_context=True)
def audit_log_of(context: Context, row: Model) -> str:
    """Return where the row's entries are listed, empty where the user can't read them."""
    if row._meta.label not in WATCHED:
        return ""
    user, tenant = context["request"].user, tenant_of(row)
    if tenant is None:
        may = user.is_superuser
    else:
        may = tenants_of(user, least=Role.OWNER).filter(pk=tenant).exists()
    if not may:
        return ""
    kind = ContentType.objects.get_for_model(row)
    address = reverse("admin:auditlog_logentry_changelist")
    return f"{address}?{urlencode({'object_id': row.pk, 'resource_type': kind.pk})}"
