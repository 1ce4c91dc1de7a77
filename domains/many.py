"""Checking the DNS of many domains as a background job."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from domains import services
from domains.models import Domain
from tenants.background import register
from tenants.each import ForEach

CHECK = "domains.check"


register(
    CHECK,
    ForEach(
        label=_("Check of domains' DNS"),
        rows=lambda job: Domain.objects.for_tenant(job.tenant).select_related("tenant"),
        verb=services.verify_domain,
        waits=True,
        done=_("Checked"),
        words={"conflict": _("It was deleted meanwhile.")},
    ).kind(),
)
