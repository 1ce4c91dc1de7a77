"""Accepting a batch: recipients that can't be mailed are rejected one by one, not lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from common.addresses import Address, normalized, parse_address
from common.errors import Refused, RefusedTogether
from common.ids import uuid7
from delivery.acceptance import (
    new_content,
    new_email,
    refuse_too_large,
    ring_for,
    save_content,
    save_tags,
    suppressed,
    topic_of,
)
from delivery.errors import Suppressed
from delivery.mime import make_message_id
from delivery.models import SendBatch
from delivery.resolution import Sender, find_account, find_template
from delivery.submission import Bulk, BulkRecipient, File
from logs.inserting import insert_alike
from logs.links import supplied_variables
from logs.models import EmailContent, EmailLog
from templates_app.models import EmailTemplate, TemplateVersion
from templates_app.rendering import Subjects
from tenants.models import Tenant

UNSUBSCRIBE_URL = "unsubscribe_url"


@dataclass(frozen=True)
class Accepted:
    """What a bulk request came to; ``rejected`` as the API answers it."""

    batch: SendBatch
    rejected: list[dict[str, Any]]


def prepare_bulk(bulk: Bulk, *, tenant: Tenant, mode: str) -> PreparedBulk:
    """Return the batch ready to be stored; recipients that can't be mailed are rejected, not lost.

    Raises:
        Refused: what concerns the whole request.
    """
    version = find_template(bulk.template, tenant=tenant)
    account = find_account(bulk.from_account, tenant=tenant, version=version)
    sender = Sender(tenant=tenant, mode=mode, account=account, version=version)
    refuse_too_large([version.compiled_html, version.compiled_text], bulk.options.files)
    content = new_content(sender, options=bulk.options, variables=bulk.variables)
    content.is_bulk = True
    sorting = Sorting(bulk, sender=sender, version=version)
    for recipient in bulk.recipients:
        sorting.take(recipient)
    sorting.reject_suppressed()
    return PreparedBulk(
        content=content,
        pattern=new_email(sender, to=None, options=bulk.options, topic=sorting.topic),
        drafts=list(sorting.drafts.values()),
        rejected=sorted(sorting.rejected, key=lambda row: row["index"]),
        files=bulk.options.files,
        template=version.template,
    )


@dataclass(frozen=True)
class Draft:
    """What a recipient's message has of its own, in the order of ``COLUMNS``."""

    tracking_id: UUID
    smtp_message_id: str
    to_address: str
    to_name: str
    subject: str
    own_variables: dict[str, Any]

    def row(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in COLUMNS)


COLUMNS = tuple(field.name for field in fields(Draft))


class Sorting:
    """Sorts a recipient list into messages and rejections."""

    def __init__(self, bulk: Bulk, *, sender: Sender, version: TemplateVersion) -> None:
        self.bulk, self.sender = bulk, sender
        self.subjects = Subjects(
            version.compiled,
            shared=bulk.variables,
            language=sender.tenant.language,
            cache_key=version.cache_key,
        )
        self.offers_link = UNSUBSCRIBE_URL in version.variables
        self.topic = topic_of(version, is_bulk=True)
        self.drafts: dict[str, Draft] = {}
        self.indexes: dict[str, int] = {}
        self.rejected: list[dict[str, Any]] = []

    def take(self, recipient: BulkRecipient) -> None:
        try:
            to = parse_address(recipient.address, attr="to_address")
            key = normalized(to)
            if key in self.indexes:
                raise Refused("This address is in the list already.", code="duplicate")
            self.indexes[key] = recipient.index
            self.drafts[key] = self.draft(to, own=recipient.variables)
        except RefusedTogether as together:
            first, detail = together.refusals[0], " ".join(map(str, together.refusals))
            self.reject(recipient.index, recipient.address, first.code, detail)
        except Refused as refusal:
            self.reject(recipient.index, recipient.address, refusal.code, refusal.detail)

    def draft(self, to: Address, *, own: Mapping[str, Any]) -> Draft:
        """Return the recipient's message; its subject is rendered and its variables checked."""
        tracking_id = uuid7()
        domain = self.sender.account.domain.name
        return Draft(
            tracking_id=tracking_id,
            smtp_message_id=make_message_id(tracking_id, domain=domain),
            to_address=to.addr_spec,
            to_name=to.display_name,
            subject=self.subjects.of({**own, **self.supplied(tracking_id, own)}),
            own_variables=dict(own),
        )

    def supplied(self, tracking_id: UUID, own: Mapping[str, Any]) -> Mapping[str, object]:
        if not self.offers_link:
            return {}
        host = self.sender.account.domain.tracking_host
        return supplied_variables(tracking_id, {**self.bulk.variables, **own}, host=host)

    def reject_suppressed(self) -> None:
        covered = suppressed(self.drafts, tenant=self.sender.tenant, topic=self.topic)
        for key in covered:
            draft = self.drafts.pop(key)
            refusal = Suppressed(attr="to_address")
            self.reject(self.indexes[key], draft.to_address, refusal.code, refusal.detail)

    def reject(self, index: int, address: str, code: str, detail: str) -> None:
        self.rejected.append(
            {"index": index, "to_address": address, "code": code, "detail": detail}
        )


@dataclass
class PreparedBulk:
    """A checked batch that only needs to be written; ``pattern`` is what its messages share."""

    content: EmailContent
    pattern: EmailLog
    drafts: list[Draft]
    rejected: list[dict[str, Any]]
    files: tuple[File, ...]
    template: EmailTemplate

    def store(self) -> Accepted:
        """Write the batch and ring after the commit; call it inside a transaction."""
        save_content(self.content, self.files)
        batch = SendBatch.objects.create(
            tenant=self.content.tenant,
            template=self.template,
            accepted=len(self.drafts),
            rejected=self.rejected,
        )
        if self.drafts:
            self.store_messages(batch)
        return Accepted(batch=batch, rejected=self.rejected)

    def store_messages(self, batch: SendBatch) -> None:
        self.pattern.content, self.pattern.batch_id = self.content, batch.public_id
        rows = (draft.row() for draft in self.drafts)
        insert_alike(self.pattern, columns=COLUMNS, rows=rows)
        if self.pattern.tags:
            save_tags(self.with_keys(batch))
        ring_for([self.pattern])

    def with_keys(self, batch: SendBatch) -> Iterable[EmailLog]:
        """The rows as stored: a bulk insert does not tell their keys."""
        rows = EmailLog.objects.for_tenant(self.content.tenant).filter(batch_id=batch.public_id)
        return rows.only("pk", "tenant_id", "tags")
