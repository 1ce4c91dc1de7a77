"""Every mail that came in, once, with what kind it is; where reading of mailboxes stands."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import EmailAccount
from common.ids import uuid7
from common.storage import DurableFileSystemStorage, attachments
from inbox.kinds import BounceType, Kind, NeverReply, QuarantineReason
from logs.models import EmailLog
from tenants.models import Mode, Tenant


def raw_storage() -> DurableFileSystemStorage:
    return attachments()


TEXTS = ("text", "reply_text", "html_text", "references")


class InboundEmailQuerySet(models.QuerySet["InboundEmail"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def to_apply(self, *, at: datetime) -> Self:
        """Reports whose findings the messages do not show yet, the longest due first."""
        return self.filter(apply_at__lte=at).order_by("apply_at")


class InboundEmail(models.Model):
    """One mail as it came; nothing of it changes afterwards but the note that it was acted on.

    ``recipient`` is whom a report is about, ``email`` the message of ours that the mail belongs
    to: that a report names, or that a person answers. ``thread_key`` is shared by the mails of a
    conversation. ``findings`` are what a report proves about recipients of ``email``
    (:class:`inbox.findings.Finding`); they wait until ``apply_at``, or were applied.
    """

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    mode = models.CharField(_("mode"), max_length=4, choices=Mode)
    fingerprint = models.CharField(max_length=64, editable=False)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    never_auto_reply = models.CharField(
        _("never answered automatically"), max_length=24, choices=NeverReply, blank=True
    )
    quarantine_reason = models.CharField(
        _("quarantined because"), max_length=20, choices=QuarantineReason, blank=True
    )
    email = models.ForeignKey(
        EmailLog,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("message it belongs to"),
    )
    recipient = models.CharField(_("reported recipient"), max_length=320, blank=True)
    bounce_type = models.CharField(_("bounce type"), max_length=4, choices=BounceType, blank=True)
    status_code = models.CharField(_("status code"), max_length=11, blank=True)
    findings = models.JSONField(default=list, editable=False)
    apply_at = models.DateTimeField(null=True, editable=False)
    applied_at = models.DateTimeField(_("applied at"), null=True, editable=False)
    from_address = models.CharField(_("from"), max_length=320, blank=True)
    from_name = models.CharField(_("from name"), max_length=255, blank=True)
    to_addresses = models.JSONField(_("to"), default=list)
    cc_addresses = models.JSONField(_("cc"), default=list)
    envelope_sender = models.CharField(
        _("envelope sender"), max_length=320, null=True, help_text="Empty for <>, null: unknown."
    )
    subject = models.TextField(_("subject"), blank=True)
    date = models.DateTimeField(_("date"), null=True)
    received_at = models.DateTimeField(_("received at"))
    message_id = models.CharField(_("Message-ID"), max_length=998, blank=True)
    message_id_digest = models.CharField(max_length=64, blank=True, editable=False)
    in_reply_to = models.CharField(max_length=998, blank=True)
    references = models.JSONField(default=list)
    thread_key = models.CharField(_("thread"), max_length=32, blank=True)
    language = models.CharField(_("language"), max_length=35, blank=True)
    text = models.TextField(_("plain text"), blank=True)
    reply_text = models.TextField(_("what is new in it"), blank=True)
    html_text = models.TextField(blank=True)
    attachments = models.JSONField(_("attachments"), default=list)
    size_bytes = models.PositiveIntegerField(_("size"))
    raw_sha256 = models.CharField(max_length=64, editable=False)
    raw_path = models.CharField(max_length=255, editable=False)
    removed_at = models.DateTimeField(
        _("removed at"), null=True, editable=False, help_text=_("When its texts and files went.")
    )

    objects = InboundEmailQuerySet.as_manager()

    class Meta:
        verbose_name = _("inbound mail")
        verbose_name_plural = _("inbound mail")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "mode", "fingerprint"], name="inbound_once_per_tenant"
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "kind", "id"], name="inbound_by_kind"),
            models.Index(fields=["tenant", "received_at"], name="inbound_by_time"),
            models.Index(fields=["tenant", "removed_at"], name="inbound_to_remove"),
            models.Index(fields=["tenant", "from_address"], name="inbound_by_sender"),
            models.Index(fields=["tenant", "message_id_digest"], name="inbound_by_message_id"),
            models.Index(fields=["tenant", "thread_key", "id"], name="inbound_by_thread"),
            models.Index(fields=["apply_at"], name="inbound_to_apply"),
        ]

    def __str__(self) -> str:
        return f"{self.from_address}: {self.subject[:80]}"

    def read_raw(self) -> bytes:
        """Return the mail byte for byte, as it came."""
        with raw_storage().open(self.raw_path, "rb") as file:
            raw: bytes = file.read()
        return raw


class MailboxQuerySet(models.QuerySet["Mailbox"]):
    def due(self, *, at: datetime) -> Self:
        """Mailboxes that nobody reads at ``at`` and whose time has come, the longest due first."""
        unheld = self.filter(Q(leased_until=None) | Q(leased_until__lte=at))
        wanted = unheld.filter(
            next_read_at__lte=at,
            account__reads_mail=True,
            account__domain__tenant__is_active=True,
        )
        return wanted.order_by("next_read_at", "pk")

    def claim(self, mailbox: Mailbox, *, token: str, until: datetime, at: datetime) -> bool:
        """Take a due mailbox; the conditional UPDATE decides between two readers."""
        due = self.filter(pk=mailbox.pk).filter(Q(leased_until=None) | Q(leased_until__lte=at))
        return bool(due.filter(next_read_at__lte=at).update(lease_token=token, leased_until=until))

    def held(self, token: str) -> Self:
        """The mailbox while the reader with ``token`` still holds it."""
        return self.filter(lease_token=token)


class Mailbox(models.Model):
    """How far an account's IMAP folder was read.

    ``place`` is the folder that ``uidvalidity`` and ``last_uid`` are of: all mails up to that UID
    are stored. Accounts of a tenant that name the same folder share the row of one of them.
    """

    account = models.OneToOneField(
        EmailAccount, models.CASCADE, related_name="mailbox", verbose_name=_("account")
    )
    place = models.CharField(max_length=64, blank=True, editable=False)
    uidvalidity = models.BigIntegerField(null=True, editable=False)
    last_uid = models.BigIntegerField(_("last UID"), default=0, editable=False)
    lease_token = models.CharField(max_length=32, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    read_at = models.DateTimeField(_("read at"), null=True, editable=False)
    error = models.CharField(_("error"), max_length=500, blank=True, editable=False)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    next_read_at = models.DateTimeField(_("next read at"), default=timezone.now, editable=False)

    objects = MailboxQuerySet.as_manager()

    class Meta:
        verbose_name = _("mailbox")
        verbose_name_plural = _("mailboxes")
        indexes = [models.Index(fields=["next_read_at"], name="mailbox_due")]

    def __str__(self) -> str:
        return f"{self.account}: {self.account.imap_folder}"
