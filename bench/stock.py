"""A company's history of mail for the console's measure: a day, and copies of it, a day older each.

The database makes the copies, so that a million messages take minutes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    F,
    ForeignKey,
    Model,
    QuerySet,
    UUIDField,
    Value,
    When,
)
from django.db.models.expressions import Combinable, RawSQL
from django.db.models.functions import Coalesce, Concat, Substr
from django.test import Client
from django.utils import timezone

from accounts.models import EmailAccount
from ai_triage.models import Status, TriageResult
from common.ids import uuid7
from delivery.models import SendBatch, Suppression
from inbox.models import InboundEmail
from logs.figures import rebuild
from logs.models import DailyFigures, EmailContent, EmailEvent, EmailLog, EmailTag
from templates_app.models import EmailTemplate
from tenants.models import Mode, Role, Tenant
from tests.factories import make_account, make_domain, make_template
from webhooks.models import WebhookDelivery
from webhooks.services import create_endpoint

A_DAY = 10_000
"""Messages of the day that is copied."""
MOST_DAYS = 100
SHARES = {"large": 9_000, "middle": 600, "third": 250, "small": 100, "asleep": 50}
ASLEEP_FOR = 60
"""So many days one of the tenants has sent nothing."""
ACCOUNTS = {"large": 12}
SEVERAL = 2
BATCHES = 4
OPEN, LATER = 3_000, 500
"""Messages that are due, and that wait for their time."""
EVENTS = (3, 9, 12, 12, 12, 12)
STATUSES = ("sent",) * 70 + ("delivered",) * 23 + ("bounced",) * 3 + ("failed",) * 3 + ("spam",)
WORDS = ("order", "invoice", "password", "parcel", "offer", "invitation")
MODELS: tuple[type[Model], ...] = (
    *(EmailContent, SendBatch, EmailLog, EmailEvent, EmailTag),
    *(Suppression, WebhookDelivery, InboundEmail, TriageResult, LogEntry),
)
"""What is copied, each after what it points at."""


def stock(messages: int) -> dict[str, dict[str, Any]]:
    """Fill the installation with so many messages, unless it has them.

    Return what the pages of each member are found by: the session, keys and addresses.
    """
    if not EmailLog.objects.exists():
        now = timezone.now()
        with transaction.atomic():
            tenants = {name: a_tenant(name) for name in SHARES}
            Day(tenants, end=now).store()
        lay_up(days=messages // A_DAY)
        for tenant in tenants.values():
            rebuild(tenant, at=now)
        with transaction.atomic():
            queue(tenants["large"], at=now)
        look_at_tables()
    elif not DailyFigures.objects.exists():
        raise RuntimeError("it was filled half; begin with an empty folder")
    root = User.objects.get(username="root")
    members = {name: signed_in(f"{name}-owner", slug=name) for name in ("large", "small", "asleep")}
    return {"superuser": members["large"] | {"session": session(root)}, **members}


def a_tenant(name: str) -> Tenant:
    """Make a tenant with people, accounts, templates and a webhook; the first one a superuser."""
    User.objects.get_or_create(
        username="root", defaults={"is_staff": True, "is_superuser": True, "email": "r@bench.test"}
    )
    tenant = Tenant.objects.create(slug=name, name=name.capitalize())
    owner = User.objects.create(username=f"{name}-owner", is_staff=True)
    tenant.memberships.create(user=owner, role=Role.OWNER)
    domain = make_domain(tenant, f"{name}.test")
    for number in range(ACCOUNTS.get(name, SEVERAL)):
        make_account(domain, f"shop{number}")
    for word in WORDS:
        make_template(tenant, word, subject=f"Your {word} {{{{ number }}}}", text="Hello")
    create_endpoint(tenant=tenant, url=f"https://hooks.{name}.example/")
    return tenant


# The day


class Day:
    """A day's rows; those of a kind are numbered from ``first`` on, the oldest first."""

    def __init__(self, tenants: Mapping[str, Tenant], *, end: datetime) -> None:
        self.tenants, self.end = tenants, end
        self.random = random.Random(6)
        self.accounts = {
            one.pk: list(EmailAccount.objects.for_tenant(one)) for one in tenants.values()
        }
        self.templates = {
            one.pk: list(EmailTemplate.objects.filter(tenant=one)) for one in tenants.values()
        }
        self.versions = {
            template.pk: template.versions.get() for each in self.templates.values()
            for template in each
        }  # fmt: skip
        self.rows: dict[type[Model], list[Any]] = {model: [] for model in MODELS}

    def store(self) -> None:
        self._batches()
        names = [name for name, share in SHARES.items() for _ in range(share)]
        self.random.shuffle(names)
        for number, name in enumerate(names):
            self._message(number, self.tenants[name])
        self._suppressions()
        self._deliveries()
        self._inbound()
        self._audit()
        self.rows[EmailEvent].sort(key=lambda event: event.at)
        for model in MODELS:
            rows = self.rows[model]
            for number, row in enumerate(rows):
                row.pk = row.pk or first(len(rows)) + number
            model._default_manager.bulk_create(rows, batch_size=500)

    def _add(self, row: Any) -> Any:
        self.rows[type(row)].append(row)
        return row

    def _numbered(self, row: Any, *, of: int) -> Any:
        """Add a row that others point at, so that it needs its key at once."""
        row.pk = first(of) + len(self.rows[type(row)])
        return self._add(row)

    def _batches(self) -> None:
        """Batches of the large tenant, each with its content, the first of all."""
        tenant = self.tenants["large"]
        for number in range(BATCHES):
            template = self.templates[tenant.pk][number]
            at = self.end - timedelta(hours=20 - number)
            self._add(
                SendBatch(
                    public_id=batch_id(number),
                    tenant=tenant,
                    template=template,
                    accepted=1_000,
                    created_at=at,
                )
            )
            self._content(tenant, template, at=at, is_bulk=True)

    def _content(self, tenant: Tenant, template: Any, *, at: datetime, is_bulk: bool) -> Any:
        content = EmailContent(
            tenant=tenant,
            template_version=self.versions[template.pk],
            is_bulk=is_bulk,
            created_at=at,
        )
        return self._numbered(content, of=A_DAY)

    def _message(self, number: int, tenant: Tenant) -> None:
        at = self.end - timedelta(days=1) * (1 - number / A_DAY)
        batch = number % 10 if tenant.slug == "large" and number % 10 < BATCHES else None
        if batch is None:
            template = self.random.choice(self.templates[tenant.pk])
            content = self._content(tenant, template, at=at, is_bulk=False)
        else:
            template = self.templates[tenant.pk][batch]
            content = self.rows[EmailContent][batch]
        email = self._numbered(
            EmailLog(
                **of_message(number, at=at),
                tenant=tenant,
                account=self.random.choice(self.accounts[tenant.pk]),
                template=template,
                content=content,
                batch_id=None if batch is None else batch_id(batch),
                subject=f"Your {template.slug} {number}",
                to_address=f"customer{self.random.randrange(3_000)}@example.com",
                status=self.random.choice(STATUSES),
                tags=[template.slug] if number % 3 else [],
                next_attempt_at=None,
            ),
            of=A_DAY,
        )
        self._history(email)
        for tag in email.tags:
            self._add(EmailTag(tenant=tenant, email=email, tag=tag))

    def _history(self, email: EmailLog) -> None:
        """Three to twelve events: attempts, the last one as the status says, opens and clicks."""
        kinds = list(self._kinds(email.status, self.random.choice(EVENTS)))
        for step, kind in enumerate(kinds):
            at = min(email.queued_at + timedelta(seconds=1 + 40 * step), self.end)
            reply = {"smtp_code": 250, "transcript": ["DATA", "250 2.0.0 Ok: queued as 4bKz1x"]}
            data = {"sending": {"attempt": 1}, "sent": reply, "deferred": reply}.get(kind, {})
            self._add(
                EmailEvent(tenant_id=email.tenant_id, email=email, type=kind, at=at, data=data)
            )
            follow(email, kind, at=at)

    def _kinds(self, status: str, number: int) -> Iterator[str]:
        if status in ("bounced", "failed"):
            yield from ("sending", "deferred") * ((number - 1) // 2)
            yield from ("sending", status)
            return
        yield from ("sending", "sent")
        if status != "sent":
            yield "complained" if status == "spam" else "delivered"
        left = number - (2 if status == "sent" else 3)
        yield from ["opened" if step % 3 else "clicked" for step in range(left)]

    def _suppressions(self) -> None:
        for number, email in enumerate(self.rows[EmailLog][::33]):
            is_bounce = email.status == "bounced"
            self._add(
                Suppression(
                    tenant=email.tenant,
                    address=f"s{number}.{email.to_address}",
                    reason="hard_bounce" if is_bounce else "unsubscribed",
                    source=email,
                    created_at=email.queued_at,
                )
            )

    def _deliveries(self) -> None:
        hooks = {one.pk: one.webhooks.get() for one in self.tenants.values()}
        for email in self.rows[EmailLog][::3]:
            self._add(
                WebhookDelivery(
                    tenant=email.tenant,
                    endpoint=hooks[email.tenant_id],
                    type="email.sent",
                    tracking_id=email.tracking_id,
                    payload='{"type": "email.sent", "data": {"status": "sent"}}',
                    status="failed" if email.pk % 50 == 0 else "delivered",
                    attempts=1,
                    created_at=email.queued_at,
                )
            )

    def _inbound(self) -> None:
        """Mail that came in; of what people wrote most is settled, some waits for a person."""
        said = "Não recebi nenhuma resposta ao meu pedido e gostaria de saber em que pé está. " * 5
        for number, email in enumerate(self.rows[EmailLog][::25]):
            mail = self._numbered(
                InboundEmail(
                    tenant=email.tenant,
                    mode=Mode.LIVE,
                    fingerprint=digest(f"mail {number}"),
                    kind="human",
                    from_address=email.to_address,
                    subject=f"Encomenda {number}",
                    received_at=email.queued_at,
                    text=said,
                    size_bytes=2_000,
                ),
                of=A_DAY // 25,
            )
            waits = number % 4 == 0
            self._add(
                TriageResult(
                    tenant=email.tenant,
                    email_id=f"mail {number}",
                    email_key=digest(f"key {number}"),
                    inbound=mail,
                    from_address=mail.from_address,
                    subject=mail.subject,
                    body=said,
                    received_at=mail.received_at,
                    status=Status.COMPLETED,
                    decision="respond",
                    email_type="question",
                    urgency=("high", "medium", "low")[number % 3],
                    confidence="0.90",
                    suggested_body=said,
                    processed_at=mail.received_at,
                    needs_review=number % 8 == 0,
                    reviewed_at=None if waits else mail.received_at,
                    provider="gemini",
                )
            )

    def _audit(self) -> None:
        kind = ContentType.objects.get_for_model(EmailAccount)
        for email in self.rows[EmailLog][::33]:
            self._add(
                LogEntry(
                    content_type=kind,
                    object_pk=str(email.account_id),
                    object_id=email.account_id,
                    object_repr=str(email.account),
                    action=LogEntry.Action.UPDATE,
                    changes={"limit_per_hour": ["100", "200"]},
                    timestamp=email.queued_at,
                    additional_data={"tenant": email.tenant_id},
                )
            )


def first(number: int) -> int:
    """Return the key of the day's first row of a kind that has so many a day."""
    return (MOST_DAYS - 1) * number + 1


def of_message(number: int, *, at: datetime) -> dict[str, Any]:
    return {
        "mode": Mode.LIVE,
        "from_address": "shop@bench.test",
        "smtp_message_id": f"<{number}@bench.test>",
        "own_variables": {"number": str(number), "name": f"Customer {number}"},
        "queued_at": at,
        "tried_since": at,
        "created_at": at,
        "tracking_id": uuid7(),
    }


def follow(email: EmailLog, kind: str, *, at: datetime) -> None:
    """Set what the event leaves on its message."""
    match kind:
        case "sent":
            email.sent_at, email.smtp_response = at, "250 2.0.0 Ok: queued as 4bKz1x"
        case "delivered":
            email.delivered_at = at
        case "bounced" | "failed":
            email.failed_at, email.error_code = at, "refused_at_rcpt"
        case "opened":
            email.opens_count += 1
            email.first_opened_at, email.last_opened_at = email.first_opened_at or at, at
        case "clicked":
            email.clicks_count += 1


def batch_id(number: int, *, back: int = 0) -> UUID:
    return UUID(int=back * BATCHES + number + 1, version=4)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def queue(tenant: Tenant, *, at: datetime) -> None:
    """Let mail wait: due on two accounts, and for its time on a third."""
    accounts = list(EmailAccount.objects.for_tenant(tenant))
    template = EmailTemplate.objects.filter(tenant=tenant)[0]
    content = EmailContent.objects.filter(tenant=tenant, is_bulk=True).latest("pk")
    rows = [
        EmailLog(
            **of_message(number, at=at),
            tenant=tenant,
            account=accounts[2] if number >= OPEN else accounts[number % 2],
            template=template,
            content=content,
            subject=f"Your order {number}",
            to_address=f"waiting{number}@example.com",
            next_attempt_at=at + timedelta(hours=3) * (number >= OPEN),
        )
        for number in range(OPEN + LATER)
    ]
    EmailLog.objects.bulk_create(rows, batch_size=500)


# Copies of the day


def lay_up(*, days: int) -> None:
    """Copy the day until there are so many, the oldest first, as keys rise with time."""
    steps = {model: model._default_manager.count() for model in MODELS}
    steps[EmailContent] = A_DAY  # there are fewer: a batch's messages share theirs
    asleep = Tenant.objects.get(slug="asleep")
    unchecked(True)
    for model in MODELS:  # apart: a table that is read and grown at once is buffered on disk
        run(f"CREATE TABLE {day_of(model)} AS SELECT * FROM {model._meta.db_table}")
    for back in range(days - 1, 0, -1):
        with transaction.atomic():
            for model in MODELS:
                rows = model._default_manager.all()
                if back < ASLEEP_FOR and model is not LogEntry:
                    rows = rows.exclude(tenant=asleep)
                copy(rows, back=back, steps=steps)
    for model in MODELS:
        run(f"DROP TABLE {day_of(model)}")
    if days > ASLEEP_FOR:
        forget(asleep, steps=steps)
    unchecked(False)


def copy(rows: QuerySet[Any], *, back: int, steps: Mapping[type[Model], int]) -> None:
    """Store a copy of each row, so many days older, that points at the copies of that day."""
    model = rows.model
    own = OWN.get(model, dict)(back) if model in OWN else {}
    chosen = {
        field.column: own.get(field.attname) or older(field, back=back, steps=steps)
        for field in model._meta.concrete_fields
    }
    made = {f"new_{name}": value for name, value in chosen.items() if value is not None}
    names = [f"new_{name}" if value is not None else name for name, value in chosen.items()]
    asked = rows.order_by().annotate(**made).values_list(*names)
    sql, params = asked.query.get_compiler(connection=connection).as_sql()
    quote = connection.ops.quote_name
    table = model._meta.db_table
    sql = sql.replace(quote(table), quote(day_of(model)))
    run(f"INSERT INTO {quote(table)} ({', '.join(map(quote, chosen))}) {sql}", params)


def day_of(model: type[Model]) -> str:
    return f"{model._meta.db_table}_day"


def run(sql: str, params: Any = ()) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def older(field: Any, *, back: int, steps: Mapping[type[Model], int]) -> Combinable | None:
    """Return a copy's value of the field, None where it is the same."""
    if field.primary_key:
        return F("pk") - back * steps[field.model]
    if isinstance(field, ForeignKey) and field.related_model in steps:
        return F(field.attname) - back * steps[field.related_model]
    if isinstance(field, DateTimeField):
        return F(field.attname) - timedelta(days=back)
    if isinstance(field, UUIDField) and field.unique:
        is_mysql = connection.vendor == "mysql"
        return RawSQL("UUID()" if is_mysql else "lower(hex(randomblob(16)))", [], UUIDField())
    return None


def of_email(back: int) -> dict[str, Combinable]:
    """A customer is written to every few weeks; a batch keeps its messages together."""
    return {
        "to_address": Concat(Value(f"c{back % 20}."), "to_address"),
        "batch_id": batches(F("batch_id"), back=back),
    }


def batches(key: F, *, back: int) -> Case:
    """Return the key of the batch's copy; None: of none."""
    whens = [
        When(**{key.name: batch_id(n)}, then=Value(batch_id(n, back=back), UUIDField()))
        for n in range(BATCHES)
    ]
    return Case(*whens, default=None, output_field=UUIDField())


def renamed(name: str, back: int) -> Combinable:
    """Return a unique text's copy, as long as it was."""
    start = f"{back:04}"
    return Concat(Value(start), Substr(name, len(start) + 1), output_field=CharField())


OWN: dict[type[Model], Any] = {
    EmailLog: of_email,
    SendBatch: lambda back: {"public_id": batches(F("public_id"), back=back)},
    Suppression: lambda back: {"address": Concat(Value(f"c{back}."), "address")},
    InboundEmail: lambda back: {"fingerprint": renamed("fingerprint", back)},
    # What is old doesn't wait any more.
    TriageResult: lambda back: {
        "email_key": renamed("email_key", back),
        "reviewed_at": Coalesce("reviewed_at", "processed_at") - timedelta(days=back),
    },
}


def forget(tenant: Tenant, *, steps: Mapping[type[Model], int]) -> None:
    """Delete what the day itself has of the tenant: it was only to be copied."""
    for model in reversed(MODELS):
        if model is not LogEntry:
            rows = model._default_manager.filter(tenant=tenant, pk__gte=first(steps[model]))
            rows._raw_delete(rows.db)


def unchecked(is_on: bool) -> None:
    """Have MariaDB believe that copies point somewhere and that their keys are new."""
    if connection.vendor == "mysql":
        for name in ("foreign_key_checks", "unique_checks"):
            run(f"SET {name} = {int(not is_on)}")


def look_at_tables() -> None:
    """Let the database see what it has, as it does by itself in time."""
    tables = ", ".join(model._meta.db_table for model in MODELS)
    run(f"ANALYZE TABLE {tables}" if connection.vendor == "mysql" else "ANALYZE")


# Who looks at it


def signed_in(username: str, *, slug: str) -> dict[str, Any]:
    """Return a member's session and what is looked at in the tenant."""
    tenant = Tenant.objects.get(slug=slug)
    emails = EmailLog.objects.filter(tenant=tenant).exclude(status="queued")
    email = emails.order_by("-queued_at")[20]
    told = WebhookDelivery.objects.filter(tenant=tenant).latest("pk")
    batch = SendBatch.objects.latest("pk")
    return {
        "session": session(User.objects.get(username=username)),
        "tenant": tenant.pk,
        "email": email.pk,
        "address": email.to_address,
        "prefix": email.to_address[:9],
        "subject": email.subject,
        "tracking_id": str(email.tracking_id),
        "account": email.account_id,
        "day": f"{email.queued_at:%Y-%m-%d}",
        "told": str(told.event_id),
        "batch": batch.pk,
        "batch_id": str(batch.public_id),
    }


def session(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value
