"""What messages say, kept once: per single message, or per batch for all of its recipients."""

from __future__ import annotations

from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from common.storage import DurableFileSystemStorage, attachments
from templates_app.models import TemplateVersion
from tenants.models import Tenant


def attachment_storage() -> DurableFileSystemStorage:
    return attachments()


class EmailContent(models.Model):
    """Immutable parts that a message is built from; rendered late where a template is named.

    ``variables`` are common to all recipients; a recipient's own stand on its ``EmailLog``.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    template_version = models.ForeignKey(
        TemplateVersion, models.PROTECT, null=True, related_name="+"
    )
    subject = models.TextField(blank=True)
    html = models.TextField(blank=True)
    text = models.TextField(blank=True)
    variables = models.JSONField(default=dict)
    headers = models.JSONField(default=list)
    reply_to = models.JSONField(default=list)
    is_bulk = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(
        null=True, editable=False, help_text="When its texts and files went, by rule or by wish."
    )
    is_emptied = models.BooleanField(
        default=False, editable=False, help_text="Nothing of it is left to remove."
    )

    class Meta:
        verbose_name = _("content")
        verbose_name_plural = _("contents")
        indexes = [models.Index(fields=["tenant", "is_emptied"], name="content_to_empty")]

    def __str__(self) -> str:
        return f"content {self.pk}"

    @cached_property
    def files(self) -> list[Attachment]:
        return list(self.attachments.all())

    @property
    def offers_unsubscribe(self) -> bool:
        """Whether the headers of RFC 8058 go along: in bulk mail, and where the text offers it."""
        version = self.template_version
        return self.is_bulk or (version is not None and "unsubscribe_url" in version.variables)


class Attachment(models.Model):
    """A file that goes with a content; its bytes lie in the ``attachments`` storage."""

    part_of = models.ForeignKey(EmailContent, models.CASCADE, related_name="attachments")
    filename = models.CharField(_("file name"), max_length=255)
    content_type = models.CharField(_("content type"), max_length=127)
    content_id = models.CharField(_("content id"), max_length=255, blank=True)
    size_bytes = models.PositiveIntegerField(_("size"))
    sha256 = models.CharField(max_length=64)
    path = models.CharField(max_length=255, editable=False)

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        indexes = [models.Index(fields=["path"], name="attachment_by_path")]

    def __str__(self) -> str:
        return self.filename

    def read(self) -> bytes:
        """Return the bytes from the storage."""
        with attachment_storage().open(self.path, "rb") as file:
            data: bytes = file.read()
        return data
