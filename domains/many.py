"""Checking the DNS of many domains as a background job."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from domains import services
from domains.models import Domain
from tenants.background import register
from tenants.each import ForEach
from tenants.models import BackgroundJob

CHECK = "domains.check"


def check(domain: Domain, _job: BackgroundJob) -> None:
    services.verify_domain(domain)


register(
    CHECK,
    ForEach(
        label=_("Check of domains' DNS"),
        rows=lambda job: Domain.objects.for_tenant(job.tenant).select_related("tenant"),
        verb=check,
        waits=True,
        done=_("Checked"),
        words={"conflict": _("It was deleted meanwhile.")},
    ).kind(),
)
