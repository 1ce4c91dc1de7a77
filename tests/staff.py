"""People who are signed in, and the jobs that they start."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client

from tenants import background
from tenants.models import BackgroundJob, Membership, Tenant

JOB = "/admin/tenants/backgroundjob/{}/change/"


def staff(tenant: Tenant, role: str = "viewer", **fields) -> Client:
    """The browser of a member of the tenant, the same person each time."""
    name = f"{role}-{tenant.slug}"
    user, _is_new = User.objects.get_or_create(username=name, defaults={"is_staff": True, **fields})
    Membership.objects.get_or_create(tenant=tenant, user=user, defaults={"role": role})
    client = Client()
    client.force_login(user)
    return client


def worked_off(response) -> BackgroundJob:
    """The newest job, to whose page the answer led, after a worker did it."""
    job = BackgroundJob.objects.latest("pk")
    ended = getattr(response, "redirect_chain", None)
    assert JOB.format(job.pk) == (ended[-1][0] if ended else response["Location"])
    background.work_off()
    job.refresh_from_db()
    return job
