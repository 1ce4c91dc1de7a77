"""Testing many mailboxes as a background job."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from common.errors import SendCraftError
from common.smtp import in_words
from inbox import services
from inbox.models import Mailbox
from tenants.background import register
from tenants.each import ForEach
from tenants.models import BackgroundJob

TEST = "mailboxes.test"


def _mailboxes(job: BackgroundJob) -> QuerySet[Mailbox]:
    rows = Mailbox.objects.filter(account__domain__tenant=job.tenant, account__reads_mail=True)
    return rows.select_related("account__domain__tenant")


def _named(mailbox: Mailbox, error: SendCraftError) -> str:
    return f"{mailbox}: {error.detail}"


def _shown(value: str) -> str:
    """Return what ``_named`` stored, in the reader's language."""
    *mailbox, detail = value.split(": ", 2)  # address, folder, and what is wrong
    return ": ".join([*mailbox, in_words(detail)])


register(
    TEST,
    ForEach(
        label=_("Test of mailboxes"),
        rows=_mailboxes,
        verb=services.test_mailbox,
        waits=True,
        done=_("Passed"),
        refused=_("Failed"),
        words={
            "mailbox_unreadable": _("It could not be read."),
            "secret_unreadable": _("Its password can't be read."),
        },
        named=_named,
        shown=_shown,
    ).kind(),
)
