"""What delivery adds to an account's page: what waits, why, what its limits leave, what failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from accounts.models import EmailAccount
from common.clock import DatabaseClock
from delivery import limits, slots
from delivery.failures import last_failure
from delivery.limits import Source, Use, Window
from delivery.status import why_waiting
from delivery.tallies import Tally, tally
from logs import timeline
from tenants.admin_base import TenantAdmin

NAMES: dict[tuple[Source, Window], Promise] = {
    (Source.OWN, Window.SECOND): _("This second"),
    (Source.OWN, Window.MINUTE): _("This minute"),
    (Source.OWN, Window.HOUR): _("This hour"),
    (Source.OWN, Window.DAY): _("Today"),
    (Source.LEARNED, Window.SECOND): _("This second, as its server was found to take it"),
    (Source.LEARNED, Window.MINUTE): _("This minute, as its server was found to take it"),
    (Source.WARM_UP, Window.DAY): _("Warm-up, today"),
}
HELD_LONG = (Window.HOUR, Window.DAY)
"""Of shorter windows nobody reads when they end."""


class AccountPages(TenantAdmin):
    """A part that an account's page asks for; 404 to who may not see the account."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.sending_view)
        own = path("accounts/<int:pk>/sending/", view, name="delivery_account_sending")
        inherited: list[URLPattern] = super().get_urls()
        return [own, *inherited]

    def sending_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer by as many queries however much the account sends.

        ``again`` asks for the part that moves, to take the place of the one that is shown: a page
        whose session is over gets nothing that could.
        """
        accounts = self.admin_of(EmailAccount)
        if accounts is None:
            raise Http404
        account: EmailAccount = accounts.row_or_404(request, pk)
        at = DatabaseClock().now()
        is_again = "again" in request.GET
        context = {"account": account, "is_again": is_again, **_now(account, at=at)}
        if not is_again:
            context |= _failed(account, at=at)
        name = f"delivery/admin/account_{'now' if is_again else 'sending'}.html"
        headers = {"Cache-Control": "private, no-store"}
        return TemplateResponse(request, name, context, headers=headers)


def _now(account: EmailAccount, *, at: datetime) -> dict[str, Any]:
    queue = tally([account.pk], at=at).get(account.pk)
    return {
        "zone": account.tenant.zone,
        "why": why_waiting(account, at=at),
        "counts": list(_counts(queue)) if queue else [],
        "oldest": queue.oldest if queue else None,
        "meters": [_meter(use) for use in limits.uses(account, at=at)],
        "connections": min(slots.held(account, at=at), account.max_connections),
        "most_connections": account.max_connections,
    }


def _failed(account: EmailAccount, *, at: datetime) -> dict[str, Any]:
    failure = last_failure(account, at=at)
    if failure is None:
        return {}
    return {"failure": failure, "step": timeline.steps(failure.email, [failure])[1]}


def _counts(queue: Tally) -> Iterator[tuple[str, str]]:
    parts = [
        (pgettext("messages", "due"), queue.due),
        (pgettext("messages", "being sent"), queue.sending),
        (pgettext("messages", "scheduled"), queue.scheduled),
        (pgettext("messages", "to be tried again"), queue.retrying),
    ]
    return ((name, str(count)) for name, count in parts if count.number)


def _meter(use: Use) -> dict[str, Any]:
    return {
        "name": NAMES[use.source, use.window],
        "use": use,
        "until": use.until if use.window in HELD_LONG else None,
    }
