"""What is settled before a model is asked, and what may never be answered automatically.

Two questions (RFC 3834): most mail that no program may answer still wants a person's eye.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.db.models.functions import Lower
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from accounts.models import EmailAccount
from ai_triage.kinds import EmailType
from ai_triage.models import TriageResult
from ai_triage.providers.rules import Settled
from inbox import automatic
from inbox.kinds import Kind, NeverReply
from inbox.mime import Headers
from inbox.words import address_list

WINDOW = timedelta(hours=1)
MOST_OF_SENDER = 10
MOST_OF_THREAD = 5
ASKED_AT_ONCE = 500

# What a mail is by rule, from the reason why no program may answer it. Not here: what may be a
# person's mail all the same, such as X-Auto-Response-Suppress, which some programs always set.
SETTLING: dict[NeverReply, tuple[EmailType, Promise]] = {
    NeverReply.REPORT: (EmailType.AUTO_REPLY, _("This is a report about another message.")),
    NeverReply.CHALLENGE: (EmailType.OTHER, _("This asks the sender to prove to be a person.")),
    NeverReply.AUTO_SUBMITTED: (EmailType.AUTO_REPLY, _("The headers say: sent by a program.")),
    NeverReply.AUTO_RESPONDER: (EmailType.AUTO_REPLY, _("This is an automatic reply.")),
    NeverReply.PRECEDENCE: (EmailType.NEWSLETTER, _("The headers mark this as bulk mail.")),
    NeverReply.LIST: (EmailType.NEWSLETTER, _("The headers say that this went to a list.")),
    NeverReply.NULL_RETURN_PATH: (EmailType.AUTO_REPLY, _("Its return path is empty.")),
    NeverReply.NO_SENDER: (EmailType.OTHER, _("There is no sender to answer.")),
    NeverReply.ROBOT_SENDER: (EmailType.OTHER, _("Nobody reads answers at its address.")),
    NeverReply.OWN_ADDRESS: (EmailType.OTHER, _("This comes from one of the own accounts.")),
    NeverReply.LOOP: (EmailType.OTHER, _("This passed so many servers that it may be in a loop.")),
}
NOBODY = (NeverReply.ROBOT_SENDER, NeverReply.OWN_ADDRESS)
"""Where a contact form sends by such an address, a person's is in Reply-To."""
_LIST_NAMES = ("List-Post", "X-BeenThere", "Mailing-List", "X-Mailing-List")


@dataclass(frozen=True)
class Gated:
    """``never``: why no automatic answer may go to the mail, or empty."""

    never: str
    settled: Settled | None


def look(rows: Sequence[TriageResult], *, at: datetime) -> dict[int, Gated]:
    """Return by key what is known of each mail without judging its text."""
    known = _Known(rows, at=at)
    found = {}
    for row in rows:
        with override(row.tenant.language):
            found[row.pk] = _gated(row, known)
    return found


def _gated(row: TriageResult, known: _Known) -> Gated:
    headers = Headers.of(row.headers)
    kind = automatic.kind_of(headers, subject=row.subject, sender=row.from_address)
    reached = {row.from_address, *_addresses(headers, "Return-Path", "Reply-To")}
    collected = row.inbound.never_auto_reply if row.inbound else ""
    never: str = collected or (
        automatic.why_never(
            headers,
            kind=kind,
            subject=row.subject,
            senders=reached,
            is_own=known.is_own(reached),
        )
        or ""
    )
    if not never and known.is_too_frequent(row):
        never = NeverReply.TOO_FREQUENT
    if known.is_answered(row):
        reason = _("The conversation was answered after this mail came.")
        return Gated(never, Settled(EmailType.OTHER, str(reason)))
    why = _why_settled(row, headers, kind, known, senders=[row.from_address])
    if why in NOBODY and (others := _addresses(headers, "Reply-To")):
        why = _why_settled(row, headers, kind, known, senders=others)
    return Gated(never, _settled(why))


def _why_settled(
    row: TriageResult, headers: Headers, kind: Kind, known: _Known, *, senders: list[str]
) -> NeverReply | None:
    """Return the first reason, if ``senders`` are whom an answer of a person would reach."""
    return automatic.why_never(
        _settling_headers(headers, to=row.to_address),
        kind=kind,
        subject=row.subject,
        senders=senders,
        is_own=known.is_own(senders, tenant_id=row.tenant_id),
    )


def _settled(why: NeverReply | None) -> Settled | None:
    if why is None or why not in SETTLING:
        return None
    email_type, reason = SETTLING[why]
    return Settled(email_type, str(reason))


def _settling_headers(headers: Headers, *, to: str) -> Headers:
    """Leave out what is no reason to ignore a mail.

    That is a wish for no automatic answers, and the marks of a list which is the recipient
    itself: a shared mailbox that is a group at Google or Microsoft marks every customer's mail.
    """
    left_out = {"x-auto-response-suppress"}
    if to and _is_own_list(headers, to=to.lower()):
        left_out |= {name for name in headers.names() if name.startswith(("list-", "x-list"))}
        left_out |= {"precedence", "mailing-list", "x-mailing-list", "x-beenthere", "feedback-id"}
        left_out |= {"x-loop"}
    return Headers(tuple(field for field in headers.fields if field[0].lower() not in left_out))


def _is_own_list(headers: Headers, *, to: str) -> bool:
    named = " ".join(headers.get(name) for name in _LIST_NAMES).lower()
    return to in named or f"<{to.replace('@', '.')}>" in headers.get("List-Id").lower()


def _addresses(headers: Headers, *names: str) -> list[str]:
    return [address for name in names for address, _ in address_list(headers.get(name))]


Answered = tuple[int, int, str, datetime | None]


class _Known:
    """What the database knows about the mails, asked once for all of them."""

    def __init__(self, rows: Sequence[TriageResult], *, at: datetime) -> None:
        self._own = _own_accounts(rows)
        recent = TriageResult.objects.filter(
            tenant__in={row.tenant_id for row in rows}, created_at__gte=at - WINDOW
        )
        senders = {row.from_address for row in rows}
        self._of_sender = _counts(recent.filter(from_address__in=senders), "from_address")
        self._threads = {row.thread_id for row in rows} - {""}
        threads = recent.filter(thread_id__in=self._threads)
        self._of_thread = _counts(threads, "thread_id") if self._threads else {}
        self._answers = self._find_answers(rows)

    def is_own(self, addresses: Iterable[str], *, tenant_id: int | None = None) -> bool:
        """Tell whether one is an account's, of any tenant or of this one."""
        tenants = {tenant for one in _spellings(addresses) for tenant in self._own.get(one, ())}
        return bool(tenants) if tenant_id is None else tenant_id in tenants

    def is_too_frequent(self, row: TriageResult) -> bool:
        of_sender = self._of_sender.get((row.tenant_id, row.from_address.lower()), 0)
        of_thread = self._of_thread.get((row.tenant_id, row.thread_id.lower()), 0)
        return of_sender > MOST_OF_SENDER or of_thread > MOST_OF_THREAD

    def is_answered(self, row: TriageResult) -> bool:
        return any(
            tenant == row.tenant_id and thread == row.thread_id and at and at >= row.received_at
            for pk, tenant, thread, at in self._answers
            if pk != row.pk
        )

    def _find_answers(
        self, rows: Sequence[TriageResult]
    ) -> list[tuple[int, int, str, datetime | None]]:
        if not self._threads:
            return []
        answered = TriageResult.objects.filter(
            tenant__in={row.tenant_id for row in rows},
            thread_id__in=self._threads,
            responded_at__gte=min(row.received_at for row in rows),
        )
        return list(answered.values_list("pk", "tenant_id", "thread_id", "responded_at"))


def _counts(rows: object, column: str) -> dict[tuple[int, str], int]:
    counted = rows.order_by().values_list("tenant_id", column)  # type: ignore[attr-defined]
    found: dict[tuple[int, str], int] = {}
    for tenant, value, count in counted.annotate(count=Count("pk")):
        key = (tenant, value.lower())
        found[key] = found.get(key, 0) + count
    return found


def _own_accounts(rows: Sequence[TriageResult]) -> dict[str, set[int]]:
    """Return the tenants that have an account of each address that an answer would reach."""
    reached = {
        address
        for row in rows
        for address in (
            row.from_address,
            *_addresses(Headers.of(row.headers), "Return-Path", "Reply-To"),
        )
    }
    accounts = EmailAccount.objects.annotate(lower=Lower("email_address"))
    found: dict[str, set[int]] = {}
    spellings = sorted(_spellings(reached))
    for start in range(0, len(spellings), ASKED_AT_ONCE):
        wanted = accounts.filter(lower__in=spellings[start : start + ASKED_AT_ONCE])
        for address, tenant in wanted.values_list("lower", "domain__tenant_id"):
            found.setdefault(address, set()).add(tenant)
    return found


def _spellings(addresses: Iterable[str]) -> set[str]:
    """Each address in lower case, and without what follows a plus sign."""
    found = set()
    for address in addresses:
        local_part, at, domain = address.lower().rpartition("@")
        found |= {address.lower(), f"{local_part.partition('+')[0]}{at}{domain}"}
    return found - {""}
