"""From a row to the signed bytes that go over the wire, the same at every attempt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from django.conf import settings

from common.addresses import Address
from delivery.dkim import Algorithm, Signer
from delivery.errors import TooLarge
from delivery.kept_files import KeptFiles, encoded
from delivery.mime import Outgoing, build
from delivery.mime_parts import OutgoingAttachment
from delivery.tracking import LinkOf, tracked
from domains.models import DKIMKey, Domain, KeyAlgorithm
from logs.links import base_url, click_urls, open_url, own_unsubscribe_url, unsubscribe_url
from logs.models import EmailContent, EmailLog
from logs.services import rendered_content

ALGORITHMS: dict[str, Algorithm] = {
    KeyAlgorithm.RSA: "rsa-sha256",
    KeyAlgorithm.ED25519: "ed25519-sha256",
}
KEPT_SIGNERS = 1024
KEPT_FILES = KeptFiles()


def build_message(email: EmailLog, *, signers: Sequence[Signer]) -> bytes:
    """Return the message as it is sent, with a signature of each signer.

    Raises:
        Refused: its template can't be rendered, or a field is not fit for a header.
    """
    data = build(outgoing(email))
    if len(data) > settings.MESSAGE_LIMIT_BYTES:
        raise TooLarge(attr="html")
    for signer in signers:
        data = signer.sign(data)
    return data


def outgoing(email: EmailLog) -> Outgoing:
    """Return what the message shows, rendered for its recipient."""
    content = email.content
    rendered = rendered_content(email)
    host = email.account.domain.tracking_host
    leave = unsubscribe_url(email.tracking_id, host=host) if content.offers_unsubscribe else None
    return Outgoing(
        from_=Address(email.from_address, email.from_name),
        to=(Address(email.to_address, email.to_name),),
        cc=tuple(Address(copy, email.cc_names.get(copy, "")) for copy in email.cc_addresses),
        reply_to=tuple(Address(each["address"], each["name"]) for each in content.reply_to),
        subject=rendered.subject,
        html=_tracked(email, rendered.html, host=host),
        text=rendered.text,
        headers=rendered.headers,
        message_id=email.smtp_message_id,
        date=email.date,
        attachments=_files(content),
        list_unsubscribe=leave,
    )


def _tracked(email: EmailLog, html: str, *, host: str) -> str:
    """Return the HTML with what tells of opens and clicks, as the message asks for."""
    if not html or not (email.track_opens or email.track_clicks):
        return html
    pixel = open_url(email.tracking_id, host=host) if email.track_opens else ""
    return tracked(html, link_of=_link_of(email, host) if email.track_clicks else None, pixel=pixel)


def _link_of(email: EmailLog, host: str) -> LinkOf:
    """Return what makes tracked links of targets; ways out, and links of ours, stay."""
    ours = tuple(f"{base}/{path}/" for base in {base_url(), base_url(host)} for path in "tu")
    way_out = own_unsubscribe_url({**email.content.variables, **email.own_variables})
    click_url = click_urls(email.tracking_id, host=host)

    def link(target: str) -> str | None:
        return None if target == way_out or target.startswith(ours) else click_url(target)

    return link


def signers_of(domain: Domain) -> list[Signer]:
    """Return the domain's signers, RSA last so that its signature stands on top.

    Raises:
        SecretUnreadable: a key can't be decrypted.
    """
    keys = DKIMKey.objects.filter(domain=domain).signing()
    return [_signer(_Key(key, domain=domain.name)) for key in keys]


class _Key:
    """A key row that is the same to the cache whenever it is loaded again."""

    def __init__(self, row: DKIMKey, *, domain: str) -> None:
        self.row, self.domain = row, domain

    def __hash__(self) -> int:
        return hash(self.row.public_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.row.public_id == self.row.public_id


@lru_cache(maxsize=KEPT_SIGNERS)
def _signer(key: _Key) -> Signer:
    return Signer(
        domain=key.domain,
        selector=key.row.selector,
        private_key_pem=key.row.private_key,
        algorithm=ALGORITHMS[key.row.algorithm],
    )


def _files(content: EmailContent) -> tuple[OutgoingAttachment, ...]:
    """Return the content's files; only those of bulk mail are soon asked for again."""
    take = KEPT_FILES.get if content.is_bulk else encoded
    return tuple(take(file) for file in content.files)
