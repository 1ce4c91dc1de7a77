"""Mail that the built-in catcher took instead of sending it on."""

from __future__ import annotations

from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from catcher.mail import Reading, read


class CaughtMail(models.Model):
    """One message as it came over the wire."""

    received_at = models.DateTimeField(_("received at"))
    mail_from = models.CharField(_("envelope sender"), max_length=320, blank=True)
    recipients = models.JSONField(_("recipients"), default=list)
    subject = models.TextField(_("subject"), blank=True)
    raw = models.BinaryField(_("raw message"))

    class Meta:
        verbose_name = _("caught mail")
        verbose_name_plural = _("caught mail")

    def __str__(self) -> str:
        return self.subject or f"#{self.pk}"

    @cached_property
    def reading(self) -> Reading:
        """What a person is shown of it; taken apart once."""
        return read(bytes(self.raw))
