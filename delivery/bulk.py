"""Accepting a batch: recipients that can't be mailed are rejected one by one, not lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from common.addresses import Address, normalized, parse_address
from common.errors import Refused, RefusedTogether
from delivery.acceptance import (
    ROWS_AT_ONCE,
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
from delivery.models import SendBatch
from delivery.resolution import Sender, find_account, find_template
from delivery.submission import Bulk, BulkRecipient, File
from logs.links import supplied_variables
from logs.models import EmailContent, EmailLog
from templates_app.models import EmailTemplate
from templates_app.rendering import missing_variables, render_subject
from tenants.models import Tenant


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
    sorting = Sorting(bulk, sender=sender)
    for recipient in bulk.recipients:
        sorting.take(recipient)
    sorting.reject_suppressed()
    return PreparedBulk(
        content=content,
        emails=list(sorting.emails.values()),
        rejected=sorted(sorting.rejected, key=lambda row: row["index"]),
        files=bulk.options.files,
        template=version.template,
    )


class Sorting:
    """Sorts a recipient list into messages and rejections."""

    def __init__(self, bulk: Bulk, *, sender: Sender) -> None:
        self.bulk, self.sender = bulk, sender
        self.topic = topic_of(sender.version, is_bulk=True)
        self.emails: dict[str, EmailLog] = {}
        self.indexes: dict[str, int] = {}
        self.rejected: list[dict[str, Any]] = []

    def take(self, recipient: BulkRecipient) -> None:
        try:
            to = parse_address(recipient.address, attr="to_address")
            key = normalized(to)
            if key in self.indexes:
                raise Refused("This address is in the list already.", code="duplicate")
            self.indexes[key] = recipient.index
            self.emails[key] = self.message(to, own=recipient.variables)
        except RefusedTogether as together:
            first = together.refusals[0]
            self.reject(recipient.index, recipient.address, first.code, str(together))
        except Refused as refusal:
            self.reject(recipient.index, recipient.address, refusal.code, refusal.detail)

    def message(self, to: Address, *, own: Mapping[str, Any]) -> EmailLog:
        """Return the recipient's message; its subject is rendered and its variables checked."""
        version = self.sender.version
        assert version is not None  # noqa: S101  (bulk mail has a template)
        email = new_email(self.sender, to=to, options=self.bulk.options, topic=self.topic)
        email.own_variables = dict(own)
        variables = {**self.bulk.variables, **own}
        variables |= supplied_variables(email, variables)
        if missing := missing_variables(version.compiled, variables):
            raise Refused(f"Missing: {', '.join(missing)}.", code="missing_variable")
        email.subject = render_subject(
            version.compiled,
            variables=variables,
            language=self.sender.tenant.language,
            cache_key=version.cache_key,
        )
        return email

    def reject_suppressed(self) -> None:
        covered = suppressed(self.emails, tenant=self.sender.tenant, topic=self.topic)
        for key in covered:
            email = self.emails.pop(key)
            refusal = Suppressed(attr="to_address")
            self.reject(self.indexes[key], email.to_address, refusal.code, refusal.detail)

    def reject(self, index: int, address: str, code: str, detail: str) -> None:
        self.rejected.append(
            {"index": index, "to_address": address, "code": code, "detail": detail}
        )


@dataclass
class PreparedBulk:
    """A checked batch that only needs to be written."""

    content: EmailContent
    emails: list[EmailLog]
    rejected: list[dict[str, Any]]
    files: tuple[File, ...]
    template: EmailTemplate

    def store(self) -> Accepted:
        """Write the batch and ring after the commit; call it inside a transaction."""
        save_content(self.content, self.files)
        batch = SendBatch.objects.create(
            tenant=self.content.tenant,
            template=self.template,
            accepted=len(self.emails),
            rejected=self.rejected,
        )
        for email in self.emails:
            email.content, email.batch_id = self.content, batch.public_id
        EmailLog.objects.bulk_create(self.emails, batch_size=ROWS_AT_ONCE)
        if self.emails and self.emails[0].tags:
            save_tags(self.with_keys(batch))
        ring_for(self.emails[:1])
        return Accepted(batch=batch, rejected=self.rejected)

    def with_keys(self, batch: SendBatch) -> Iterable[EmailLog]:
        """The rows as stored: MySQL does not tell the keys of a bulk insert."""
        rows = EmailLog.objects.for_tenant(self.content.tenant).filter(batch_id=batch.public_id)
        return rows.only("pk", "tenant_id", "tags")
