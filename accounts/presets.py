"""How the usual providers are reached, so that staff need not look it up.

Hosts and ports are those that the providers document for their customers (2026).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

STARTTLS, IMPLICIT = 587, 465


@dataclass(frozen=True)
class Preset:
    """A provider's servers; ``{domain}`` stands for the account's own, ``imap`` empty for none."""

    name: str
    smtp: str
    imap: str = ""
    port: int = STARTTLS
    hint: StrPromise | str = ""

    def values(self) -> dict[str, object]:
        """Return what the form's fields get."""
        return {
            "smtp_server": self.smtp,
            "smtp_port": self.port,
            "use_tls": self.port == STARTTLS,
            "use_ssl": self.port == IMPLICIT,
            "imap_server": self.imap,
            "imap_port": 993,
            "imap_use_ssl": True,
            "hint": str(self.hint),
        }


PRESETS = (
    Preset(
        "Gmail, Google Workspace",
        smtp="smtp.gmail.com",
        imap="imap.gmail.com",
        hint=_("The user is the whole address, the password an app password of the account."),
    ),
    Preset(
        "Microsoft 365",
        smtp="smtp.office365.com",
        imap="outlook.office365.com",
        hint=_("An administrator must allow SMTP AUTH for the mailbox."),
    ),
    Preset(
        "Amazon SES",
        smtp="email-smtp.eu-west-1.amazonaws.com",
        hint=_("Put your region into the server's name; user and password are SMTP credentials."),
    ),
    Preset(
        "Zoho Mail",
        smtp="smtp.zoho.eu",
        imap="imap.zoho.eu",
        hint=_("Outside Europe the servers end in .com; use an app password where two-step is on."),
    ),
    Preset("Brevo", smtp="smtp-relay.brevo.com", hint=_("The password is an SMTP key.")),
    Preset("OVHcloud", smtp="ssl0.ovh.net", imap="ssl0.ovh.net"),
    Preset(
        "cPanel",
        smtp="mail.{domain}",
        imap="mail.{domain}",
        port=IMPLICIT,
        hint=_("The user is the whole address; your host may use another server name."),
    ),
)
