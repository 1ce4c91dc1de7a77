"""Verbs on tenants and keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.validators import validate_slug
from django.db import transaction
from django.utils import timezone

from common.errors import Conflict, Refused
from common.text import check_text
from tenants import background
from tenants.models import APIKey, BackgroundJob, JobStatus, Membership, Mode, Role, Tenant
from tenants.rates import parse_rate
from tenants.scopes import ALL_SCOPES, SCOPES
from tenants.signals import tenant_created


def create_tenant(slug: str, *, name: str) -> Tenant:
    """Store a tenant and announce it.

    Raises:
        Refused: the slug or name is not usable.
        Conflict: the slug is taken.
    """
    try:
        validate_slug(slug)
    except ValidationError as error:
        raise Refused("A slug has letters, digits, - and _ only.", attr="slug") from error
    if not name.strip() or len(name) > 200 or len(slug) > 50:
        raise Refused("A name has 1 to 200 characters, a slug 1 to 50.", attr="name")
    check_text(name.strip(), "name")
    if Tenant.objects.filter(slug=slug).exists():
        raise Conflict(f"There is a tenant {slug} already.")
    tenant = Tenant.objects.create(slug=slug, name=name.strip())
    tenant_created.send(Tenant, tenant=tenant)
    return tenant


def ownerless_without(members: Iterable[Membership]) -> list[Tenant]:
    """Return the tenants whose last owners are among these members, by name."""
    going = [one for one in members if one.role == Role.OWNER]
    tenants = {one.tenant for one in going}
    staying = Membership.objects.filter(tenant__in=tenants, role=Role.OWNER).exclude(
        pk__in=[one.pk for one in going]
    )
    kept = set(staying.values_list("tenant_id", flat=True))
    return sorted((one for one in tenants if one.pk not in kept), key=str)


def owners_addresses(tenant: Tenant) -> list[str]:
    """Return where the tenant's owners read what goes wrong."""
    owners = Membership.objects.filter(tenant=tenant, role=Role.OWNER)
    able = owners.filter(user__is_active=True).exclude(user__email="")
    return list(able.order_by("pk").values_list("user__email", flat=True))


def issue_key(
    *,
    tenant: Tenant,
    name: str,
    mode: str,
    scopes: Sequence[str] = (),
    rate: str = "",
    expires_at: datetime | None = None,
    created_by: User | None = None,
) -> tuple[APIKey, str]:
    """Store a new key and return it with its text, which nothing can show again.

    Raises:
        Refused: a mode, scope or rate that does not exist, or a name that does not fit.
    """
    if not name.strip() or len(name) > 100:
        raise Refused("A name has 1 to 100 characters.", attr="name")
    check_text(name.strip(), "name")
    if mode not in Mode.values:
        raise Refused("The mode is live or test.", attr="mode")
    if unknown := sorted(set(scopes) - {*SCOPES, ALL_SCOPES}):
        raise Refused(f"There is no scope {unknown[0]}.", attr="scopes")
    if rate:
        try:
            parse_rate(rate)
        except ValueError as error:
            raise Refused("A rate reads like 600/min, or 0 for none.", attr="rate") from error
    return APIKey.issue(
        tenant=tenant,
        name=name,
        mode=mode,
        scopes=list(scopes) or [ALL_SCOPES],
        rate=rate,
        expires_at=expires_at,
        created_by=created_by,
    )


def revoke_key(prefix: str) -> APIKey:
    """Revoke the key with this prefix from now on.

    Raises:
        Refused: no key, or more than one, begins like that.
    """
    found = list(APIKey.objects.filter(prefix__startswith=prefix[:16])[:2]) if prefix else []
    if len(found) != 1:
        raise Refused(
            "No key has this prefix." if not found else "Several keys have this prefix.",
            attr="prefix",
        )
    found[0].revoke(at=timezone.now())
    return found[0]


def start_job(
    kind: str,
    *,
    tenant: Tenant,
    created_by: User | None,
    params: Mapping[str, Any] | None = None,
    input_file: File[bytes] | None = None,
    output_name: str = "",
) -> BackgroundJob:
    """Store a background job of a registered kind and ring for it after the commit.

    ``output_name`` is the file name under which people get what it makes.
    """
    job = BackgroundJob(
        tenant=tenant,
        kind=kind,
        created_by=created_by,
        params=dict(params or {}),
        output_name=output_name,
    )
    if input_file is not None:
        background.keep_input(job, input_file)
    try:
        job.save()
    except BaseException:
        background.remove_files(job)
        raise
    transaction.on_commit(background.ring, robust=True)
    return job


def cancel_job(job: BackgroundJob, *, at: datetime) -> None:
    """Stop the job: at once while it waits, else at its next step.

    Raises:
        Conflict: it is over.
    """
    jobs = BackgroundJob.objects.filter(pk=job.pk)
    ended = jobs.filter(status=JobStatus.QUEUED).update(
        status=JobStatus.CANCELLED,
        finished_at=at,
        updated_at=at,
        cancel_requested=True,
        input_path="",
        output_parts=0,
    )
    if ended:
        background.remove_files(job)
    elif not jobs.filter(status=JobStatus.RUNNING).update(cancel_requested=True):
        raise Conflict("This job is over.")
