"""Testing, activating and resuming many accounts as background jobs."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.models import EmailAccount
from accounts.stages import failure_in_words
from common.errors import SendCraftError
from tenants.background import register
from tenants.each import ForEach
from tenants.models import BackgroundJob

TEST, ACTIVATION, RESUMPTION = "accounts.test", "accounts.activate", "accounts.resume"
WORDS = {
    "test_failed": _("It failed its test."),
    "conflict": _("It was changed at the same moment."),
}


def _test(account: EmailAccount) -> None:
    result = services.test_and_resume(account)
    if not result.ok:
        raise services.failed(result)


def _accounts(job: BackgroundJob) -> QuerySet[EmailAccount]:
    return EmailAccount.objects.for_tenant(job.tenant).select_related("domain__tenant")


def _named(account: EmailAccount, error: SendCraftError) -> str:
    return f"{account}: {error.detail}"


def _shown(value: str) -> str:
    """Return what ``_named`` stored, in the reader's language."""
    account, _colon, detail = value.partition(": ")
    return failure_in_words(account, detail)


for _kind, _label, _verb, _done in (
    (TEST, _("Test of accounts"), _test, _("Passed")),
    (ACTIVATION, _("Activation of accounts"), services.activate, _("Active")),
    (RESUMPTION, _("Resuming of accounts"), services.resume, _("Resumed")),
):
    register(
        _kind,
        ForEach(
            label=_label,
            rows=_accounts,
            verb=_verb,
            waits=True,
            done=_done,
            refused=_("Failed"),
            words=WORDS,
            named=_named,
            shown=_shown,
        ).kind(),
    )
