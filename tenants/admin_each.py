"""Work on the rows that staff chose in a list, as background jobs: one for each tenant."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from tenants.admin_base import TenantAdmin, user_of
from tenants.each import IDS
from tenants.models import Tenant
from tenants.services import start_job

MOST_CHOSEN = 10_000


def are_too_many(model_admin: TenantAdmin, request: HttpRequest, rows: QuerySet[Any]) -> bool:
    """Tell whether no job takes so many chosen rows, and tell the user so."""
    if rows.order_by("pk")[: MOST_CHOSEN + 1].count() <= MOST_CHOSEN:
        return False
    text = _("Choose %(most)d rows at the most.") % {"most": MOST_CHOSEN}
    model_admin.message_user(request, text, messages.ERROR)
    return True


def start_for_each(
    model_admin: TenantAdmin, request: HttpRequest, rows: QuerySet[Any], *, kind: str
) -> HttpResponse | None:
    """Start ``kind`` for the chosen rows and go where it is watched; None: nothing was started."""
    if are_too_many(model_admin, request, rows):
        return None
    of_tenant = model_admin.tenant_path or "tenant"
    keys = rows.order_by("pk").values_list(of_tenant, "pk")[:MOST_CHOSEN]
    chosen: dict[int, list[int]] = defaultdict(list)
    for tenant_id, pk in keys:
        chosen[tenant_id].append(pk)
    tenants = Tenant.objects.in_bulk(chosen)
    jobs = [
        start_job(kind, tenant=tenants[pk], created_by=user_of(request), params={IDS: ids})
        for pk, ids in chosen.items()
    ]
    if len(jobs) == 1:
        return redirect("admin:tenants_backgroundjob_change", jobs[0].pk)
    if jobs:
        text = _("%(count)d jobs were started, one for each tenant.") % {"count": len(jobs)}
        model_admin.message_user(request, text, messages.SUCCESS)
        return redirect("admin:tenants_backgroundjob_changelist")
    model_admin.message_user(request, _("There is nothing to do."), messages.INFO)
    return None
