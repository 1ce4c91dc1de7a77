"""What a message says, rendered the same for those who read it and for the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import Gone
from logs.links import supplied_variables, unsubscribe_url
from logs.models import EmailLog
from templates_app import rendering


@dataclass(frozen=True)
class Rendered:
    """A message's texts, and the header fields that its sender asked for, in their order."""

    subject: str
    html: str
    text: str
    headers: tuple[tuple[str, str], ...]


def rendered_content(email: EmailLog, *, supplied: Mapping[str, Any] | None = None) -> Rendered:
    """Return the message's content for its one recipient.

    A template gets the common variables, the recipient's own, which win, and ``supplied`` (None:
    the link to unsubscribe by), which wins over both.

    Raises:
        Refused: the template can't be rendered with these variables.
        Gone: the content was removed.
    """
    content = email.content
    if content.removed_at is not None or email.is_erased:
        raise Gone("The content of this message was removed.")
    headers = tuple((str(name), str(value)) for name, value in content.headers)
    version = content.template_version
    if version is None:
        return Rendered(content.subject, content.html, content.text, headers)
    variables = {**content.variables, **email.own_variables}
    if supplied is None:
        is_read = "unsubscribe_url" in version.variables
        host = email.account.domain.tracking_host if is_read else ""
        supplied = supplied_variables(email.tracking_id, variables, host=host) if is_read else {}
    made = rendering.render(
        version.compiled,
        variables={**variables, **supplied},
        language=email.tenant.language,
        cache_key=version.cache_key,
    )
    return Rendered(made.subject, made.html, made.text, headers)


def shown_headers(email: EmailLog, rendered: Rendered) -> dict[str, str]:
    """Return the header fields by name, readable: as sent, but not encoded; no Bcc."""
    headers = {
        "From": _mailbox(email.from_name, email.from_address),
        "To": _mailbox(email.to_name, email.to_address),
        "Cc": ", ".join(_mailbox(email.cc_names.get(one), one) for one in email.cc_addresses),
        "Reply-To": ", ".join(
            _mailbox(one.get("name"), one["address"]) for one in email.content.reply_to
        ),
        "Message-ID": email.smtp_message_id,
        **dict(rendered.headers),
    }
    if email.content.offers_unsubscribe:
        host = email.account.domain.tracking_host
        headers["List-Unsubscribe"] = f"<{unsubscribe_url(email.tracking_id, host=host)}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return {name: value for name, value in headers.items() if value}


def _mailbox(name: str | None, address: str) -> str:
    return f"{name} <{address}>" if name else address
