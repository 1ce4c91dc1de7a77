"""Accepting a message: all that can be refused is refused here, before anything is stored."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone

from common.addresses import Address, normalized
from common.errors import Refused, RefusedTogether
from common.ids import uuid7
from common.statements import insert
from common.storage import attachments
from delivery import doorbell
from delivery.errors import Suppressed, TooLarge
from delivery.mime import make_message_id
from delivery.models import Suppression
from delivery.resolution import Sender, find_account, find_template
from delivery.submission import File, Message, Options
from logs.links import supplied_variables
from logs.models import Attachment, EmailContent, EmailLog, EmailTag
from templates_app.models import TemplateVersion
from templates_app.rendering import render
from tenants.models import Tenant

BULK_TOPIC = "bulk"
ROWS_AT_ONCE = 500


@dataclass
class Prepared:
    """A checked message that only needs to be written."""

    content: EmailContent
    email: EmailLog
    options: Options

    def store(self) -> EmailLog:
        """Write it and ring for its delivery after the commit; call it inside a transaction."""
        save_content(self.content, self.options.files)
        self.email.content = self.content
        insert(self.email)
        if self.email.tags:
            save_tags([self.email])
        ring_for([self.email])
        return self.email


def prepare(message: Message, *, tenant: Tenant, mode: str) -> Prepared:
    """Return the message ready to be stored; nothing is written yet.

    Raises:
        Refused: every refusal of ``POST /emails/send``.
    """
    version = None if message.template is None else find_template(message.template, tenant=tenant)
    account = find_account(message.from_account, tenant=tenant, version=version)
    sender = Sender(tenant=tenant, mode=mode, account=account, version=version)
    topic = topic_of(version, is_bulk=False)
    refuse_suppressed(message, tenant=tenant, topic=topic)
    email = new_email(sender, to=message.to, options=message.options, topic=topic)
    email.cc_addresses = [copy.addr_spec for copy in message.cc]
    email.cc_names = {copy.addr_spec: copy.display_name for copy in message.cc if copy.display_name}
    email.bcc_addresses = [copy.addr_spec for copy in message.bcc]
    content = new_content(sender, options=message.options, variables=message.variables)
    content.subject, content.html, content.text = message.subject, message.html, message.text
    email.subject = message.subject
    texts = [message.html, message.text]
    if version:
        host = account.domain.tracking_host
        supplied = supplied_variables(email.tracking_id, message.variables, host=host)
        rendered = render(
            version.compiled,
            variables=message.variables | supplied,
            language=tenant.language,
            cache_key=version.cache_key,
        )
        email.subject, texts = rendered.subject, [rendered.html, rendered.text]
    refuse_too_large(texts, message.options.files)
    return Prepared(content=content, email=email, options=message.options)


def topic_of(version: TemplateVersion | None, *, is_bulk: bool) -> str:
    """Return what unsubscribing from such a message would stop; empty: nothing but all mail."""
    if version is None:
        return ""
    asks = is_bulk or "unsubscribe_url" in version.variables
    return version.template.template_type or (BULK_TOPIC if asks else "")


def new_email(sender: Sender, *, to: Address | None, options: Options, topic: str) -> EmailLog:
    """Return an unsaved queued message; without ``to`` the pattern of a batch's messages."""
    tenant, account, template = sender.tenant, sender.account, sender.template
    now = timezone.now()
    tracking_id = uuid7()
    return EmailLog(
        tracking_id=tracking_id,
        tenant=tenant,
        account=account,
        template=template,
        mode=sender.mode,
        priority=options.priority,
        topic=topic,
        from_address=account.email_address,
        from_name=account.display_name,
        to_address=to.addr_spec if to else "",
        to_name=to.display_name if to else "",
        smtp_message_id=make_message_id(tracking_id, domain=account.domain.name),
        queued_at=now,
        created_at=now,
        send_at=options.send_at,
        tried_since=max(options.send_at or now, now),
        next_attempt_at=max(options.send_at or now, now),
        tags=list(options.tags),
        metadata=options.metadata,
        track_opens=chosen(
            options.track_opens, template.track_opens if template else None, tenant.track_opens
        ),
        track_clicks=chosen(
            options.track_clicks, template.track_clicks if template else None, tenant.track_clicks
        ),
    )


def chosen(*values: bool | None) -> bool:
    """Return the first that is not None; the last never is."""
    return next(value for value in values if value is not None)


def new_content(sender: Sender, *, options: Options, variables: dict[str, Any]) -> EmailContent:
    return EmailContent(
        tenant=sender.tenant,
        template_version=sender.version,
        variables=variables,
        headers=[list(header) for header in options.headers],
        reply_to=[
            {"address": address.addr_spec, "name": address.display_name}
            for address in options.reply_to
        ],
    )


def refuse_suppressed(message: Message, *, tenant: Tenant, topic: str) -> None:
    """Refuse a recipient who may not be mailed, named by field: ``to_address``, ``cc.0``."""
    fields = {"to_address": normalized(message.to)}
    fields |= {f"cc.{i}": normalized(copy) for i, copy in enumerate(message.cc)}
    fields |= {f"bcc.{i}": normalized(copy) for i, copy in enumerate(message.bcc)}
    covered = suppressed(fields.values(), tenant=tenant, topic=topic)
    refusals: list[Refused] = [
        Suppressed(attr=attr) for attr, address in fields.items() if address in covered
    ]
    if refusals:
        raise RefusedTogether(refusals)


def suppressed(addresses: Iterable[str], *, tenant: Tenant, topic: str) -> set[str]:
    topics = {topic} - {""}
    return Suppression.objects.covering(addresses, tenant=tenant, topics=topics, at=timezone.now())


def refuse_too_large(texts: Iterable[str], files: Iterable[File]) -> None:
    """Refuse what base64 with its line ends would make larger than the limit."""
    octets = sum(len(text.encode()) for text in texts) + sum(len(file.content) for file in files)
    if octets * 4 / 3 * 78 / 76 > settings.MESSAGE_LIMIT_BYTES - 16 * 1024:
        raise TooLarge(attr="attachments" if files else "html")


def save_content(content: EmailContent, files: Collection[File]) -> None:
    insert(content)
    if not files:
        return
    Attachment.objects.bulk_create(
        Attachment(
            part_of=content,
            filename=file.filename,
            content_type=file.content_type,
            content_id=file.content_id,
            size_bytes=len(file.content),
            sha256=file.sha256,
            path=keep_file(file, tenant=content.tenant),
        )
        for file in files
    )


def keep_file(file: File, *, tenant: Tenant) -> str:
    """Return where the file's bytes lie; the same file is kept once per tenant."""
    digest = file.sha256
    return attachments().keep(f"{tenant.pk}/{digest[:2]}/{digest}", file.content)


def save_tags(emails: Iterable[EmailLog]) -> None:
    EmailTag.objects.bulk_create(
        (
            EmailTag(tenant_id=email.tenant_id, email=email, tag=tag)
            for email in emails
            for tag in email.tags
        ),
        batch_size=ROWS_AT_ONCE,
    )


def ring_for(emails: Iterable[EmailLog]) -> None:
    now = timezone.now()
    for email in emails:
        if (email.next_attempt_at or now) <= now:
            doorbell.ring_on_commit(email.account_id, priority=email.priority)
