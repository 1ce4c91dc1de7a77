"""Asking people into a tenant by mail: a signed link, once, for a week."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta
from functools import partial
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from common.errors import Conflict
from common.tokens import make_token, read_token
from tenants.background import ring
from tenants.models import Invitation, Membership, Tenant

logger = logging.getLogger(__name__)

TASK = "tenants.mail_invitations"
PURPOSE = "invitation"
LASTING = timedelta(days=7)


def invite(address: str, *, tenant: Tenant, role: str, by: User | None, at: datetime) -> Invitation:
    """Store an invitation and have it mailed; one that waits for the same address ends.

    Raises:
        Conflict: who has this address is a member already.
    """
    if Membership.objects.filter(tenant=tenant, user__email__iexact=address).exists():
        raise Conflict("This person is a member already.", code="exists")
    with transaction.atomic():
        waiting = Invitation.objects.open(at=at).filter(tenant=tenant, email__iexact=address)
        waiting.update(expires_at=at)
        made = Invitation.objects.create(
            tenant=tenant, email=address, role=role, invited_by=by, expires_at=at + LASTING
        )
        transaction.on_commit(partial(ring, TASK), robust=True)
    return made


def mail_waiting(*, at: datetime) -> int:
    """Mail the invitations that were not mailed yet; return how many went.

    What could not be sent is tried again at the next call.
    """
    unmailed = Invitation.objects.open(at=at).filter(mailed_at=None)
    # The UPDATE decides between two workers; a kill after it costs the mail, never repeats it.
    return sum(
        _mail(one)
        for one in unmailed.select_related("tenant", "invited_by")
        if unmailed.filter(pk=one.pk).update(mailed_at=at)
    )


def invited(token: str, *, at: datetime) -> Invitation | None:
    """Return the open invitation that the link is for, None for a forged, old or used one."""
    payload = read_token(PURPOSE, token)
    if payload is None or len(payload) != 16:
        return None
    found = Invitation.objects.open(at=at).filter(public_id=uuid.UUID(bytes=payload))
    return found.select_related("tenant").first()


def user_invited(invitation: Invitation) -> User | None:
    """Return who signs in with the address already."""
    return User.objects.filter(email__iexact=invitation.email).order_by("pk").first()


def let_in(user: User) -> None:
    """Let a member sign in to the admin."""
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])


@transaction.atomic
def join(invitation: Invitation, *, user: User, at: datetime) -> Membership:
    """Make the user a member; the link is used up then.

    Raises:
        Conflict: the invitation was used, withdrawn or too old at this moment.
    """
    if not Invitation.objects.open(at=at).filter(pk=invitation.pk).update(accepted_at=at):
        raise Conflict("The invitation is not open any more.")
    let_in(user)
    try:
        with transaction.atomic():
            return Membership.objects.create(
                tenant=invitation.tenant, user=user, role=invitation.role
            )
    except IntegrityError:  # a member already: the role stays what it is
        return Membership.objects.get(tenant=invitation.tenant, user=user)


def link_of(invitation: Invitation) -> str:
    token = make_token(PURPOSE, invitation.public_id.bytes)
    return settings.PUBLIC_URL + reverse("join", args=[token])


def _mail(invitation: Invitation) -> bool:
    tenant = invitation.tenant
    try:
        with override(tenant.language):
            subject = _("You are invited to %(tenant)s at SendCraft") % {"tenant": tenant.name}
            send_mail(" ".join(subject.split()), _text(invitation), None, [invitation.email])
    except (OSError, SMTPException) as error:
        Invitation.objects.filter(pk=invitation.pk).update(mailed_at=None)
        extra = {"invitation": invitation.pk, "error": type(error).__name__}
        logger.warning("an invitation could not be mailed", extra=extra)
        return False
    return True


def _text(invitation: Invitation) -> str:
    by = invitation.invited_by
    return _(
        "%(by)s invites you to look after the mail of %(tenant)s as %(role)s.\n\nSet up your "
        "access here, within a week:\n%(link)s\n\nIf you expected no invitation, do nothing.\n"
    ) % {
        "by": (by and (by.get_full_name() or by.get_username())) or "SendCraft",
        "tenant": invitation.tenant.name,
        "role": invitation.get_role_display(),
        "link": link_of(invitation),
    }
