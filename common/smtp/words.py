"""What an error of a connection says, in the reader's language: stored it is English."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from common.stored_texts import beginnings, translated

SAID = (
    _("The server refused the user name or the password"),
    _("The server offers no way to sign in with a user name and a password"),
    _("The server does not take connections from us"),
    _("The server did not answer EHLO"),
    _("The server does not offer STARTTLS"),
    _("The server refused STARTTLS"),
    _("The server's certificate was not accepted"),
    _("What the server sent is not TLS; check the port and the kind of TLS"),
    _("TLS could not be set up with the server"),
    _("Connections without TLS are only made to hosts of the private network"),
    _("Connections to this host are not allowed"),
    _("This is not a host name or an IP address"),
    _("The host name has no address"),
    _("The host name's address was not found in time"),
    _("The server refused the connection"),
    _("The server did not answer in time"),
    _("The server could not be reached"),
    _("The server closed the connection"),
    _("The server is closing the connection; it may work later"),
    _("The server, or somebody on the way, spoke in clear where TLS starts"),
    _("The connection was lost while TLS was set up"),
    _("The server's answer was not understood"),
    _("The session can no longer be used"),
    _("The message may have been taken"),
    _("SendCraft could not handle the message; its log says why"),
    # Of mailboxes
    _("The server offers no TLS, so the password was not sent"),
    _("The server does not open the folder"),
    _("The server does not give the mails"),
    _("The connection was lost"),
    _("Reading failed; the log says why"),
)
"""What may stand before a full stop, or a colon and the server's own words."""

_KNOWN = beginnings(SAID)


def in_words(error: str) -> str:
    """Return an error as one reads it; what the server said, and what is unknown, stays."""
    return translated(error, known=_KNOWN)
