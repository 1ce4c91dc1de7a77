"""What workers do for accounts: tell people of a pause."""

from __future__ import annotations

import logging
from datetime import datetime
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import EmailAccount
from tenants.services import owners_addresses

logger = logging.getLogger(__name__)


def tell_of_pauses(*, at: datetime) -> int:
    """Write to the owners of each account that its server's refusal has paused, once.

    What could not be sent is tried again at the next call. Returns how many were told of.
    """
    untold = EmailAccount.objects.filter(paused_at__isnull=False, pause_told_at=None)
    accounts = untold.select_related("domain__tenant")
    # The UPDATE decides between two workers; a kill after it costs the mail, never repeats it.
    return sum(
        _tell(account)
        for account in accounts
        if untold.filter(pk=account.pk).update(pause_told_at=at)
    )


def _tell(account: EmailAccount) -> bool:
    try:
        with override(account.tenant.language):
            owners = owners_addresses(account.domain.tenant)
            send_mail(_subject(account), _text(account), None, owners)
    except (OSError, SMTPException) as error:
        EmailAccount.objects.filter(pk=account.pk).update(pause_told_at=None)
        extra = {"account": account.pk, "error": type(error).__name__}
        logger.warning("the owners could not be told of a pause", extra=extra)
        return False
    return True


def _subject(account: EmailAccount) -> str:
    return _("%(account)s is paused") % {"account": account.email_address}


def _text(account: EmailAccount) -> str:
    page = reverse("admin:accounts_emailaccount_change", args=[account.pk])
    return _(
        "The mail server refused %(account)s, so nothing more is sent through it. Its messages "
        "wait and none is lost.\n\n%(reason)s\n\nCorrect the settings and test the "
        "connection; sending goes on after a passed test:\n%(page)s\n"
    ) % {
        "account": account.email_address,
        "reason": account.paused_because,
        "page": settings.PUBLIC_URL + page,
    }
