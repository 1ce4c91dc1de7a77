"""People who are signed in, and the jobs that they start."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client
from lxml import html

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


def filled_in(response) -> dict[str, str | list[str]]:
    """What the form of a change page would send as it is shown; a list where a name repeats."""
    form = next(
        one
        for one in html.fromstring(response.content).forms
        if (one.get("id") or "").endswith("_form") and one.xpath(".//*[@name='as_shown']")
    )
    found: dict[str, list[str]] = {}
    for name, value in form.form_values():
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
