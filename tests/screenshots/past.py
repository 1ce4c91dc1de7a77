"""What only time could make: a month of mail, reviews of last week, and the hours of today.

Each function runs inside the installation, by ``manage.py shell``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db.models import F, QuerySet
from django.utils import timezone

from accounts import last_try
from accounts.models import EmailAccount
from ai_triage import prompting, trials
from ai_triage.models import Action, Feedback, PromptVersion, Snippet, Status, TriageResult
from ai_triage.models.results import key_of
from common.days import bounds, day_of
from delivery import suppression_lists
from delivery.models import AccountUsage, Suppression, SuppressionReason
from domains.models import DKIMKey, Domain
from domains.services import verify_domain
from inbox.models import InboundEmail
from logs.models import EmailContent, EmailEvent, EmailLog, EmailStatus
from logs.models.email import Priority
from templates_app.models import EmailTemplate
from tenants.models import JobProblem, JobStatus, Mode, Tenant
from tests.screenshots.correspondence import BUYERS, LETTERS, SHOP
from tests.screenshots.customers import PEOPLE, SUBJECTS, SUPPLIERS, order
from tests.screenshots.mail_server import GONE
from webhooks.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint

DAYS = 30
ON_A_WEEKDAY, AT_WEEKENDS = 640, 210
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
TIMES = {
    EmailLog: ["queued_at", "tried_since", "created_at", "sent_at", "delivered_at", "failed_at",
               "first_opened_at", "last_opened_at", "unsubscribed_at"],
    EmailEvent: ["at"],
    WebhookDelivery: ["created_at", "delivered_at"],
}  # fmt: skip
LISTED = [
    ("devolucoes@mercearia-central.example", SuppressionReason.HARD_BOUNCE, "", 2),
    ("helena.pires@papelaria-pires.example", SuppressionReason.UNSUBSCRIBED, "newsletter", 3),
    ("info@quinta-da-ribeira.example", SuppressionReason.UNSUBSCRIBED, "newsletter", 3),
    ("geral@pavimentos-dias.example", SuppressionReason.SOFT_BOUNCES, "", 5),
    ("jose.alves@alves-construcoes.example", SuppressionReason.UNSUBSCRIBED, "newsletter", 6),
    ("compras@vidros-do-centro.example", SuppressionReason.HARD_BOUNCE, "", 8),
    ("rececao@clinica-sol.example", SuppressionReason.COMPLAINT, "", 9),
    ("loja@bricolage-norte.example", SuppressionReason.MANUAL, "", 12),
    ("paulo@paulo-canalizador.example", SuppressionReason.UNSUBSCRIBED, "newsletter", 13),
    ("obras@junta-de-freguesia.example", SuppressionReason.MANUAL, "newsletter", 19),
    ("antigo@telhados-rocha.example", SuppressionReason.HARD_BOUNCE, "", 24),
]


def shop() -> Tenant:
    return Tenant.objects.get(slug="demo")


def span_of_play(at: datetime) -> timedelta:
    """Return over how much of today what is played is spread."""
    return min(5 * HOUR, (at - midnight(at)) * 0.9)


def midnight(at: datetime) -> datetime:
    return bounds(day_of(at, zone=shop().zone), zone=shop().zone)[0]


# Before today


def begin() -> None:
    write_sample()
    write_usage()
    write_month()
    write_suppressions()
    write_reviews()


def write_month() -> None:
    """A month of messages up to now, as the figures and histories of recipients show them."""
    tenant, at, chance = shop(), timezone.now(), random.Random(6)
    templates = list(EmailTemplate.objects.filter(tenant=tenant).order_by("slug"))
    contents = {
        template.pk: EmailContent.objects.create(tenant=tenant, template_version=template.current)
        for template in templates
    }
    numbers, rows = count(1), []
    for back in range(DAYS - 1, -1, -1):
        for template, queued_at in moments(templates, back=back, at=at, chance=chance):
            number = next(numbers)
            row = a_message(template, number, queued_at, chance=chance)
            row.content = contents[template.pk]
            row.smtp_message_id = f"<past-{number}@alitools.pt>"
            rows.append(row)
    EmailLog.objects.bulk_create(rows, batch_size=500)


def moments(
    templates: list[EmailTemplate], *, back: int, at: datetime, chance: random.Random
) -> Iterator[tuple[EmailTemplate, datetime]]:
    """Yield what was sent on the day so many days ago, in its order."""
    zone = shop().zone
    day = day_of(at - back * timedelta(days=1), zone=zone)
    start, end = bounds(day, zone=zone)
    number = AT_WEEKENDS if day.weekday() > 4 else ON_A_WEEKDAY
    number += chance.randrange(number // 4) + (DAYS - back) * 4
    shares = [60, 30 if back % 7 == 2 else 4, 12]  # as the slugs are sorted; news once a week
    first, last = start + 7 * HOUR, end - 3 * HOUR
    if back == 0:
        number, first, last = number * 2 // 3, start, at - span_of_play(at) - MINUTE
    hours = sorted(chance.random() for _ in range(number))
    for hour in hours:
        yield chance.choices(templates, shares)[0], first + (last - first) * hour


def a_message(
    template: EmailTemplate, number: int, queued_at: datetime, *, chance: random.Random
) -> EmailLog:
    people = SUPPLIERS if template.slug.startswith("supplier") else PEOPLE
    to_name, to_address = chance.choice(people)
    if number % 900 == 5:
        to_name, to_address = "Oficina Antiga", GONE
    is_gone, is_mail_of_machines = chance.random() < 0.012, chance.random() < 0.1
    sent_at = queued_at + 2 * SECOND
    is_delivered = not is_gone and chance.random() < 0.97
    opens = 1 if is_delivered and chance.random() < 0.52 else 0
    status = EmailStatus.DELIVERED if is_delivered else EmailStatus.SENT
    return EmailLog(
        tenant=template.tenant,
        account=template.default_account,
        template=template,
        mode=Mode.LIVE,
        status=EmailStatus.BOUNCED if is_gone else status,
        priority=Priority.NORMAL,
        from_address=template.default_account.email_address,
        from_name=template.default_account.display_name,
        to_address=to_address,
        to_name=to_name,
        subject=SUBJECTS[template.slug].format(number=number % 900 + 100),
        queued_at=queued_at,
        tried_since=queued_at,
        created_at=queued_at,
        sent_at=sent_at,
        delivered_at=sent_at + 3 * SECOND if is_delivered else None,
        failed_at=sent_at + 4 * SECOND if is_gone else None,
        opens_count=opens,
        first_opened_at=sent_at + HOUR if opens else None,
        clicks_count=opens if chance.random() < 0.3 else 0,
        machine_opens_count=int(is_mail_of_machines),
        smtp_response="250 2.0.0 Queued",
    )


def write_usage() -> None:
    """What the accounts have sent today already; the suppliers' may send four more."""
    since = midnight(timezone.now())
    for address, used in ((SHOP, 584), (BUYERS, 196)):
        account = EmailAccount.objects.get(email_address=address)
        AccountUsage.objects.create(account=account, day_since=since, day_used=used)


def write_sample() -> None:
    """The order that the studio shows a template with."""
    template = EmailTemplate.objects.get(slug="alitools_order_confirmation")
    template.sample_data = order(1047)
    template.save(update_fields=["sample_data"])


def write_suppressions() -> None:
    tenant, at = shop(), timezone.now()
    for address, reason, topic, days in reversed(LISTED):
        since = at - days * timedelta(days=1) - 37 * MINUTE
        ends = since + timedelta(days=90) if reason == SuppressionReason.SOFT_BOUNCES else None
        Suppression.objects.create(
            tenant=tenant,
            address=address,
            topic=topic,
            reason=reason,
            created_at=since,
            expires_at=ends,
        )


def write_reviews() -> None:
    """A second version of the prompt, a trial of the two, and what people said of the mail."""
    tenant, chance = shop(), random.Random(9)
    prompt = tenant.active_prompt
    first = prompt.in_use
    text = first.system_prompt.replace(
        "5. Se a decisão", "5. Peça sempre o número da encomenda se faltar.\n6. Se a decisão"
    )
    changes = prompting.Changes(
        system_prompt=text, respond_to=[*first.respond_to, "Pedidos de segunda via de faturas"]
    )
    prompting.change(prompt, changes, author="rita")
    del prompt.in_use
    trial = trials.start(
        tenant, name="Pedir o número da encomenda", a=first, b=prompt.in_use, share_b=50,
        author="rita",
    )  # fmt: skip
    at = timezone.now()
    for number in range(130):
        is_b = number % 2 == 1
        letter = LETTERS[number % len(LETTERS)]
        back = (130 - number) * 72 * MINUTE + 20 * HOUR
        result = TriageResult.objects.create(
            tenant=tenant,
            email_id=f"past-{number}",
            email_key=key_of(f"past-{number}"),
            from_address=PEOPLE[number % len(PEOPLE)][1],
            from_name=PEOPLE[number % len(PEOPLE)][0],
            to_address=SHOP,
            subject=f"Encomenda A-{800 + number}",
            body="Bom dia,\n\nquando chega a minha encomenda?",
            received_at=at - back,
            processed_at=at - back + 2 * SECOND,
            status=Status.COMPLETED,
            decision=letter.verdict["decision"],
            confidence=Decimal(str(letter.verdict["confidence"])),
            email_type=letter.verdict["email_type"],
            urgency=letter.verdict["urgency"],
            reason=letter.verdict["reason"],
            provider="openai",
            model_version="gpt-5-mini",
            prompt=trial.b if is_b else trial.a,
            experiment=trial,
            reviewed_at=at - back + 25 * MINUTE,
            reviewed_by="rita",
        )
        TriageResult.objects.filter(pk=result.pk).update(created_at=at - back)
        is_wrong = chance.random() < (0.05 if is_b else 0.2)
        said = {"email_type": "other"} if is_wrong else {}
        action = Action.CORRECTED if is_wrong else Action.APPROVED
        Feedback.objects.create(result=result, action=action, by="rita", **said)
    old = at - timedelta(days=26)
    PromptVersion.objects.filter(pk=first.pk).update(created_at=old)
    type(prompt).objects.filter(pk=prompt.pk).update(created_at=old)
    PromptVersion.objects.filter(pk=trial.b_id).update(created_at=at - timedelta(days=8))
    type(trial).objects.filter(pk=trial.pk).update(started_at=at - timedelta(days=8))
    Snippet.objects.create(
        tenant=tenant,
        question="Quanto tempo dura a garantia?",
        answer="Três anos para particulares, um ano para empresas.",
        created_by="rita",
    )


# After today's part was played


def end(begun: str) -> None:
    """Let the day be over that was played since ``begun``; print the domain's DKIM records."""
    settle(begun)
    import_half_way()
    call_command("rebuild_delivery_figures")
    call_command("rebuild_analytics")
    keys = DKIMKey.objects.order_by("pk")
    print(json.dumps([(str(key), key.public_record) for key in keys]))  # noqa: T201


def try_again(tracking_id: str) -> None:
    """Let the next attempt be due."""
    EmailLog.objects.filter(tracking_id=tracking_id).update(next_attempt_at=timezone.now())


def settle(begun: str) -> None:
    """Spread what was played since ``begun`` over the hours before now, under the real names."""
    at = timezone.now()
    played = EmailLog.objects.filter(queued_at__gte=datetime.fromisoformat(begun))
    span = span_of_play(at)
    greylisted = list(played.filter(to_address=GONE).values_list("pk", flat=True))
    single = list(played.filter(batch_id=None).order_by("pk"))
    batch = list(played.exclude(batch_id=None).values_list("pk", flat=True))
    for place, email in enumerate(single):
        put_back(EmailLog.objects.filter(pk=email.pk), span * (1 - (place + 1) / len(single)))
    put_back(EmailLog.objects.filter(pk__in=batch), span)
    for pk in greylisted:
        put_back_first_attempt(pk)
    EmailAccount.objects.exclude(paused_at=None).update(paused_at=F("paused_at") - span)
    date_letters(at)
    date_deliveries(at)
    for template in EmailTemplate.objects.all():
        template.usage_count = EmailLog.objects.filter(template=template).count()
        template.save(update_fields=["usage_count"])
    rename()


def put_back_first_attempt(pk: int) -> None:
    """Let the greylisted message have come six minutes before its second attempt."""
    events = EmailEvent.objects.filter(email=pk).order_by("pk")
    first = list(events.values_list("pk", flat=True)[:2])
    EmailEvent.objects.filter(pk__in=first).update(at=F("at") - 6 * MINUTE)
    earlier = {name: F(name) - 6 * MINUTE for name in ("queued_at", "tried_since", "created_at")}
    EmailLog.objects.filter(pk=pk).update(**earlier)


def date_letters(at: datetime) -> None:
    for letter in LETTERS:
        came_at = at - timedelta(hours=letter.hours)
        mine = TriageResult.objects.filter(subject=letter.subject)
        mine.update(received_at=came_at, processed_at=came_at + 2 * SECOND)
        mail = InboundEmail.objects.filter(subject=letter.subject)
        mail.update(received_at=came_at, date=came_at)


def date_deliveries(at: datetime) -> None:
    """Let the panel be down: what it was told waits, and one of the ERP's was given up."""
    waiting = list(WebhookDelivery.objects.exclude(status=DeliveryStatus.DELIVERED).order_by("pk"))
    for place, delivery in enumerate(waiting):
        left = len(waiting) - place
        delivery.created_at = at - left * 2 * MINUTE
        delivery.next_attempt_at = at + (7 + 3 * place) * MINUTE
        delivery.attempts = 1 + left // 3
        delivery.response_status, delivery.error = 503, "HTTP 503"
        delivery.save()
    lost = WebhookDelivery.objects.filter(type="email.complained")
    failed = {"status": DeliveryStatus.FAILED, "next_attempt_at": None}
    lost.update(**failed, attempts=14, response_status=500, error="HTTP 500")


def put_back(emails: QuerySet[EmailLog], by: timedelta) -> None:
    """Let the messages, and what was told of them, have happened earlier."""
    ids = list(emails.values_list("tracking_id", flat=True))
    told = WebhookDelivery.objects.filter(tracking_id__in=ids)
    for each in (emails, EmailEvent.objects.filter(email__in=emails), told):
        each.update(**{name: F(name) - by for name in TIMES[each.model]})


def import_half_way() -> None:
    """A list that somebody is just taking over, if there were a worker."""
    addresses = "\n".join(f"cliente{number}@lista-antiga.example" for number in range(5000))
    job = suppression_lists.start_import(
        ContentFile(addresses.encode(), name="lista-antiga.csv"),
        tenant=shop(),
        created_by=User.objects.get(username="rita"),
        reason=SuppressionReason.UNSUBSCRIBED,
        topic="newsletter",
    )
    at = timezone.now()
    job.status, job.total, job.done = JobStatus.RUNNING, 5000, 3000
    job.result = {"added": 2871, "extended": 126, "refused": 3}
    job.started_at, job.leased_until = at, at + HOUR
    job.save()
    for line, value, code in (
        (412, "maria@lista-antiga,example", "bad_address"),
        (1180, "sem endereço", "bad_address"),
        (2603, "geral@oficina-ribeiro.example", "exists"),
    ):
        JobProblem.objects.create(job=job, line=line, value=value, code=code)


def rename() -> None:
    """Give servers the names that they would have; nothing connects to them any more."""
    tried = {account.pk: last_try.of(account) for account in EmailAccount.objects.all()}
    EmailAccount.objects.update(
        smtp_server="smtp.alitools.pt",
        smtp_port=587,
        smtp_username=F("email_address"),
        use_tls=True,
        allow_plaintext=False,
    )
    for account in EmailAccount.objects.all():
        if last := tried[account.pk]:
            last_try.keep(account, last.result, is_test=last.is_test)
    for endpoint in WebhookEndpoint.objects.all():
        path = "erp" if "ERP" in endpoint.description else "painel"
        endpoint.url = f"https://{path}.alitools.pt/hooks/sendcraft"
        endpoint.save(update_fields=["url"])


def check_domain() -> None:
    verify_domain(Domain.objects.get())
