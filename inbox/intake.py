"""Taking mail in: read and kept first, then stored once with what kind it is."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.models import EmailAccount
from common.errors import Refused
from domains.models import Domain
from inbox import automatic, matching, mime, prose, reading, words
from inbox.applying import apply_findings
from inbox.errors import TooLarge
from inbox.findings import Finding
from inbox.kinds import Kind, NeverReply, QuarantineReason
from inbox.models import InboundEmail, raw_storage
from inbox.reading import Mail
from inbox.reports import Affected
from inbox.signals import inbound_received
from tenants.models import Mode, Tenant

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A mail that was read and whose bytes are on the disk; it only needs its row.

    One that is known has its row already, and no file is kept for it again: no ``raw_path``.
    ``size_bytes`` says how large the whole mail is, where only its header was kept.
    """

    tenant: Tenant
    mode: str
    raw: bytes
    raw_sha256: str
    mail: Mail | None
    quarantined: QuarantineReason | None
    at: datetime
    size_bytes: int = 0
    raw_path: str = ""

    def store(self) -> InboundEmail:
        """Return the mail's row; the same mail again is the same row. Call it in a transaction."""
        if known := InboundEmail.objects.filter(**self._key).select_related("email").first():
            return known
        row, is_new = InboundEmail.objects.get_or_create(**self._key, defaults=self._values())
        if is_new:
            if row.findings:
                apply_findings(row, at=self.at)
            inbound_received.send(sender=InboundEmail, inbound=row)
            extra = {"inbound_id": str(row.public_id), "kind": row.kind}
            logger.info("mail came in", extra=extra)
        return row

    def is_known(self) -> bool:
        """Tell whether the mail has its row already."""
        return InboundEmail.objects.filter(**self._key).exists()

    @cached_property
    def _key(self) -> dict[str, object]:
        return {"tenant": self.tenant, "mode": self.mode, "fingerprint": self.fingerprint()}

    def fingerprint(self) -> str:
        """Return what tells this mail from others, whatever way it came.

        Each server adds header fields and may change line ends, so a mail with a Message-ID is
        known by that and its body.
        """
        if self.mail is None or not self.mail.message_id:
            return self.raw_sha256
        found = hashlib.sha256(self.mail.message_id.encode("utf-8", "replace") + b"\0")
        found.update(self.raw[self.mail.root.start :].replace(b"\r\n", b"\n").rstrip(b"\n"))
        return found.hexdigest()

    def _values(self) -> dict[str, object]:
        values: dict[str, object] = {
            "received_at": self.at,
            "size_bytes": self.size_bytes or len(self.raw),
            "raw_sha256": self.raw_sha256,
            "raw_path": self.raw_path,
        }
        if self.mail is not None:
            values |= _fields(self.mail)
        if self.mail is None or self.quarantined:
            return values | {
                "kind": Kind.QUARANTINED,
                "never_auto_reply": NeverReply.QUARANTINED,
                "quarantine_reason": self.quarantined or "",
            }
        return values | _judgement(self.mail, tenant=self.tenant, mode=self.mode, at=self.at)


def receive(raw: bytes, *, tenant: Tenant, at: datetime, mode: str = Mode.LIVE) -> InboundEmail:
    """Store a mail of ``tenant`` once and return its row.

    Raises:
        Refused: it is empty or too large.
    """
    prepared = prepare(raw, tenant=tenant, at=at, mode=mode)
    with transaction.atomic():
        return prepared.store()


def prepare(
    raw: bytes,
    *,
    tenant: Tenant,
    at: datetime,
    mode: str = Mode.LIVE,
    quarantined: QuarantineReason | None = None,
    size_bytes: int = 0,
) -> Prepared:
    """Read a mail and keep its bytes; its row is not written yet.

    ``quarantined`` is why it must not be taken apart, where that is known; ``size_bytes`` the
    whole mail's size, where ``raw`` is only its header.

    Raises:
        Refused: it is empty or too large.
    """
    if not raw:
        raise Refused("The mail is empty.", code="required", attr="raw")
    if len(raw) > settings.MESSAGE_LIMIT_BYTES:
        raise TooLarge
    mail = None
    if quarantined in (None, QuarantineReason.TOO_LARGE):
        mail, found = read_or_quarantine(raw)
        quarantined = quarantined or found
    digest = hashlib.sha256(raw).hexdigest()
    prepared = Prepared(
        tenant=tenant,
        mode=mode,
        raw=raw,
        raw_sha256=digest,
        mail=mail,
        quarantined=quarantined,
        at=at,
        size_bytes=size_bytes,
    )
    # The row of a known one names another file, or a removed one: nothing would remove this.
    if prepared.is_known():
        return prepared
    path = raw_storage().keep(f"{tenant.pk}/inbound/{digest[:2]}/{digest}", raw)
    return replace(prepared, raw_path=path)


def read_or_quarantine(raw: bytes) -> tuple[Mail | None, QuarantineReason | None]:
    """Return the mail taken apart, or why it must not be; one bad mail never stops the others."""
    try:
        return reading.read(raw), None
    except mime.Unsafe as unsafe:
        return None, unsafe.reason
    except Exception:  # the last line of defence: a mail we misjudged is kept, and told of
        logger.exception("a mail could not be read")
        return None, QuarantineReason.UNREADABLE


def headers_of(inbound: InboundEmail) -> dict[str, list[str]]:
    """Return the header of a stored mail by name, none where it can't be taken apart."""
    with raw_storage().open(inbound.raw_path, "rb") as file:
        head: bytes = file.read(mime.MAX_HEADER_BYTES)
    found: dict[str, list[str]] = {}
    try:
        fields = mime.header_fields(head)
    except mime.Unsafe:
        return found
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


def _fields(mail: Mail) -> dict[str, object]:
    return {
        "from_address": mail.from_address,
        "from_name": mail.from_name,
        "to_addresses": list(mail.to),
        "cc_addresses": list(mail.cc),
        "envelope_sender": mail.return_path,
        "subject": mail.subject,
        "date": mail.date,
        "message_id": mail.message_id,
        "message_id_digest": matching.digest_of(mail.message_id),
        "in_reply_to": mail.in_reply_to,
        "references": list(mail.references),
        "language": mail.language,
        "text": mail.text,
        "reply_text": mail.reply_text,
        "html_text": mail.html_text,
        "attachments": [
            {
                "filename": file.filename,
                "content_type": file.content_type,
                "size_bytes": file.size_bytes,
            }
            for file in mail.attachments
        ],
    }


def _judgement(mail: Mail, *, tenant: Tenant, mode: str, at: datetime) -> dict[str, object]:
    """Return what the mail is, what it is about and whether it may be answered."""
    report = prose.read_any(mail)
    values: dict[str, object]
    if report is not None:
        kind = report.kind
        found = matching.match(report, mail=mail, tenant=tenant, mode=mode, at=at)
        email, shown = found.email, found.shown
        values = {
            "recipient": shown.addresses[0][:320] if shown and shown.addresses else "",
            "bounce_type": (shown and shown.bounce_type) or "",
            "status_code": shown.status_code if shown else "",
            "findings": [_finding(affected).as_json() for affected in found.proven],
            "apply_at": at if found.proven else None,
        }
    else:
        kind = automatic.mail_kind(mail)
        email = matching.message_by_token(mail, tenant=tenant, mode=mode)
        email = email or matching.message_named(mail.answered_ids, tenant=tenant, mode=mode)
        values = {}
    return values | {
        "kind": kind,
        "email": email,
        "never_auto_reply": why_never(mail, kind=kind, tenant=tenant) or "",
        "thread_key": matching.thread_of(mail, tenant=tenant, email=email),
    }


def _finding(affected: Affected) -> Finding:
    return Finding(
        recipient=affected.addresses[0],
        kind=affected.kind,
        bounce_type=affected.bounce_type or "",
        enhanced_code=affected.status_code,
        reason=affected.reason,
    )


def why_never(mail: Mail, *, kind: Kind, tenant: Tenant) -> NeverReply | None:
    """Return why no automatic answer may go to ``mail``, or None where one may."""
    senders = {mail.from_address, mail.return_path or ""}
    senders |= {address for address, _name in words.address_list(mail.headers.get("Reply-To"))}
    return automatic.why_never(
        mail.headers,
        kind=kind,
        subject=mail.subject,
        senders=senders if mail.from_address else (),
        is_own=is_own(senders),
        is_addressed=is_addressed([*mail.to, *mail.cc], tenant=tenant),
    )


def is_own(addresses: set[str]) -> bool:
    """Tell whether one is that of an account of this installation, whosever: two could loop."""
    wanted = Q()
    for address in list(addresses - {""})[:20]:
        local_part, _at, domain = address.rpartition("@")
        for spelling in {address, f"{local_part.partition('+')[0]}@{domain}"}:
            wanted |= Q(email_address__iexact=spelling)
    return bool(wanted) and EmailAccount.objects.filter(wanted).exists()


def is_addressed(addresses: list[str], *, tenant: Tenant) -> bool:
    """Tell whether one is in a domain of the tenant, or the tenant is only in Bcc."""
    names = {address.rpartition("@")[2] for address in addresses[:200]}
    return bool(names) and Domain.objects.filter(tenant=tenant, name__in=names).exists()
