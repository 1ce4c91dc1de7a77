"""What needs somebody: accounts that hold their mail, webhooks that are off, triage that rests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import EmailAccount
from ai_triage import trouble
from ai_triage.trouble import Notice
from common.smtp import in_words
from delivery.status import AccountQueue, why_held
from inbox.models import Mailbox
from tenants.models import Role, Tenant
from tenants.roles import LEAST_ROLE, Verb, reaches
from webhooks.models import WebhookEndpoint

Text = str | Promise
MOST = 20
"""So many of each kind are shown."""
FAILING = 3
"""So many times in a row a mailbox could not be read."""
EXPLAIN = _("See why")


@dataclass(frozen=True)
class Trouble:
    """``name`` in ``tenant`` is in trouble, because of ``text``; ``page`` explains.

    ``verb`` names what may be done about it: at ``address``, by POST, or on the page where that
    is empty. ``id`` stays the same while the trouble does, whatever else there is.
    """

    id: str
    tenant: str
    name: str
    text: Text
    page: str = ""
    verb: Text = ""
    address: str = ""


def troubles(
    tenants: Sequence[Tenant],
    *,
    queues: Iterable[AccountQueue],
    accounts: Mapping[int, EmailAccount],
    roles: Mapping[int, Role],
) -> list[Trouble]:
    """Return what is wrong in the tenants, and with those of ``accounts`` whose mail waits."""
    stuck = [accounts[queue.account_id] for queue in queues if queue.account_id in accounts]
    return [
        *(_paused(account, roles=roles) for account in paused_accounts(tenants)),
        *(
            _held(account, reason=reason, roles=roles)
            for account in stuck
            if account.paused_at is None and (reason := why_held(account))
        ),
        *(_unread(mailbox, roles=roles) for mailbox in failing_mailboxes(tenants)),
        *(_of_triage(notice, roles=roles) for notice in trouble.notices(tenants)),
        *(_off(webhook, roles=roles) for webhook in switched_off_webhooks(tenants)),
    ]


def paused_accounts(tenants: Sequence[Tenant]) -> list[EmailAccount]:
    """Return the first paused accounts, the latest pause first."""
    rows = EmailAccount.objects.filter(domain__tenant__in=tenants, paused_at__isnull=False)
    return list(rows.select_related("domain__tenant").order_by("-paused_at")[:MOST])


def switched_off_webhooks(tenants: Sequence[Tenant]) -> list[WebhookEndpoint]:
    """Return the first webhooks that we switched off, the latest first."""
    off = WebhookEndpoint.objects.filter(tenant__in=tenants, is_active=False)
    return list(off.exclude(off_reason="").select_related("tenant").order_by("-off_at")[:MOST])


def failing_mailboxes(tenants: Sequence[Tenant]) -> list[Mailbox]:
    """Return the first mailboxes that could not be read some times in a row."""
    rows = Mailbox.objects.filter(account__domain__tenant__in=tenants, account__reads_mail=True)
    failing = rows.filter(failures__gte=FAILING).select_related("account__domain__tenant")
    return list(failing.order_by("-failures")[:MOST])


def _paused(account: EmailAccount, *, roles: Mapping[int, Role]) -> Trouble:
    text = _("Paused: its mail waits. %(reason)s") % {"reason": account.paused_because}
    if account.paused_by_hand:
        return _of_account(account, text, verb=_("Resume"), action="resume", roles=roles)
    # A passed test ends a pause that the server's refusals began.
    return _of_account(account, text, verb=_("Test again"), action="test_connection", roles=roles)


def _held(account: EmailAccount, *, reason: str, roles: Mapping[int, Role]) -> Trouble:
    text = _("Its mail waits: %(reason)s") % {"reason": reason}
    if not account.is_active:
        verb = _("Activate, after a test")
        return _of_account(account, text, verb=verb, action="activate", roles=roles)
    tenant = account.domain.tenant
    if not account.domain.is_active:
        page = reverse("admin:domains_domain_change", args=[account.domain_id])
        return _about(account, text, page=page, verb=_("Open the domain"))
    if not tenant.is_active:
        page = reverse("admin:tenants_tenant_change", args=[tenant.pk])
        return _about(account, text, page=page, verb=_("Open the tenant"))
    return _of_account(account, text, verb=_("Test again"), action="test_connection", roles=roles)


def _of_account(
    account: EmailAccount, text: Text, *, verb: Text, action: str, roles: Mapping[int, Role]
) -> Trouble:
    may = reaches(roles.get(account.domain.tenant_id), Role.ADMIN)
    page = reverse("admin:accounts_emailaccount_change", args=[account.pk])
    address = reverse("admin:accounts_emailaccount_switch", args=[account.pk, action])
    if not may:
        return _about(account, text, page=page, verb=EXPLAIN)
    return _about(account, text, page=page, verb=verb, address=address)


def _unread(mailbox: Mailbox, *, roles: Mapping[int, Role]) -> Trouble:
    account = mailbox.account
    text = _("Its mailbox can't be read: %(reason)s") % {"reason": in_words(mailbox.error)}
    page = reverse("admin:accounts_emailaccount_change", args=[account.pk])
    may = reaches(roles.get(account.domain.tenant_id), Role.ADMIN)
    verb = _("Mend the settings") if may else EXPLAIN
    return _about(account, text, page=page, verb=verb, kind="reading")


def _about(
    account: EmailAccount,
    text: Text,
    *,
    page: str,
    verb: Text,
    address: str = "",
    kind: str = "sending",
) -> Trouble:
    return Trouble(
        f"trouble-{kind}-{account.pk}",
        account.domain.tenant.name,
        account.email_address,
        text,
        page=page,
        verb=verb,
        address=address,
    )


def _of_triage(notice: Notice, *, roles: Mapping[int, Role]) -> Trouble:
    """Lead to the limit; what holds up everybody only the mail that waits can show."""
    if notice.tenant is None or notice.settings is None:
        page = reverse("admin:ai_triage_triageresult_changelist") + "?state=open"
        verb, key = _("See what waits"), notice.name
    else:
        page = reverse("admin:ai_triage_triagesettings_change", args=[notice.settings])
        may = reaches(roles.get(notice.tenant), LEAST_ROLE[Verb.MANAGE_TRIAGE])
        verb, key = (_("Change the limit") if may else EXPLAIN), str(notice.tenant)
    return Trouble(f"trouble-triage-{key}", "", "", notice.text, page=page, verb=verb)


def _off(webhook: WebhookEndpoint, *, roles: Mapping[int, Role]) -> Trouble:
    said: dict[str, Any] = {"reason": webhook.get_off_reason_display()}
    text = _("Switched off: %(reason)s. What waits is sent when it is on again.") % said
    page = reverse("admin:webhooks_webhookendpoint_change", args=[webhook.pk])
    verb = _("Switch on") if reaches(roles.get(webhook.tenant_id), Role.ADMIN) else EXPLAIN
    name = f"trouble-webhook-{webhook.pk}"
    return Trouble(name, webhook.tenant.name, str(webhook), text, page=page, verb=verb)
