"""A drain's side towards the database: what it claims, and what it writes back."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.db import close_old_connections, transaction
from django.db.models import F

from accounts import last_try
from accounts.models import EmailAccount
from accounts.services import connection_settings
from common import smtp
from common.clock import DatabaseClock
from common.errors import Refused
from common.keyring import SecretUnreadable
from common.smtp import Envelope, Lines, ProbeResult
from delivery import building, limits, outcomes, recording, slots
from delivery.contents import Contents
from delivery.dkim import Signer
from delivery.journal import Journal, Key
from delivery.models import Suppression
from delivery.recording import Entry, key_of
from delivery.return_paths import return_path_of
from delivery.status import why_held
from logs import claiming, transitions
from logs.models import EmailLog, EmailStatus, EventType, Lease
from logs.transitions import Outcome
from templates_app.models import EmailTemplate
from tenants.models import Mode, Tenant

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=3)
"""Longer than the time in which messages are begun, and one opening and one delivery after it."""
AT_ONCE = 200
LOOK_EVERY = 1.0
LAST_USED_EVERY = timedelta(minutes=1)


class Ledger:
    """One drain's rows, from its first ``claim`` to its ``close``.

    What asks the database runs in the one ORM thread; ``prepare`` asks nothing and runs beside it.

    ``account_id`` is the login that mail goes over, and whose limits count; ``mail_of`` is the
    account whose mail it carries, where that is another.
    """

    account: EmailAccount
    wait: limits.Wait | None = None
    has_recovered = False
    """Whether the server has been seen to work in this drain."""
    kept_slot = ""
    """The token of a slot that a kept connection holds, for this drain to take over."""

    def __init__(self, account_id: int, *, mail_of: int | None = None) -> None:
        self.account_id = account_id
        self._owner_id = mail_of or account_id
        self._looked_at = -math.inf
        self._is_held = True
        self._permitted_at: dict[Key, datetime] = {}
        self._unused: Counter[datetime] = Counter()
        self._unsent: deque[Key] = deque()  # the one thing here that two threads write
        self._journal: Journal | None = None
        self._has_slot = False
        self._signers: list[Signer] = []
        self._unreadable: SecretUnreadable | None = None
        self._suppressed: dict[tuple[str, str], Suppression] = {}
        self._contents = Contents()
        self._uses: Counter[int] = Counter()
        self._clock = ServerTime()

    def now(self) -> datetime:
        return self._clock.now()

    @property
    def journal(self) -> Journal:
        if self._journal is None:
            self._journal = Journal()
        return self._journal

    def claim(self, *, most: int = AT_ONCE, noted: bool = False) -> list[EmailLog]:
        """Return a few due messages, none when others must send them or they have to wait.

        ``noted`` says of them what ``note_data`` would. Test mail does not wait for an account
        that can't send: it never reaches the server.
        """
        if not self._look():
            return []
        self._return_permits()
        self.wait = None
        if not self._is_held and not self._take_slot():
            return []
        if limits.is_limited(self.account):
            limits.make_counters(self.account)
        with transaction.atomic():
            claimed = self._claim_permitted(most, noted=noted)
            self._attend(claimed)
        first = [each.template_id for each in claimed if each.attempt == 1]
        self._uses.update(template_id for template_id in first if template_id)
        return claimed

    def _look(self) -> bool:
        """See once a second what the account is like now; False where there is none."""
        if time.monotonic() - self._looked_at < LOOK_EVERY:
            return True
        close_old_connections()
        self._write_uses()
        accounts = EmailAccount.objects.select_related("domain__tenant", "usage")
        found = accounts.in_bulk({self.account_id, self._owner_id})
        if self.account_id not in found or self._owner_id not in found:
            return False
        self.account, self._owner = found[self.account_id], found[self._owner_id]
        self._clock = ServerTime.asked()
        self._is_held = any(map(why_held, {self.account, self._owner}))
        try:  # a key may have been verified or withdrawn
            self._signers, self._unreadable = building.signers_of(self.account.domain), None
        except SecretUnreadable as error:
            self._unreadable = error
        self._looked_at = time.monotonic()
        return True

    def _claim_permitted(self, most: int, *, noted: bool) -> list[EmailLog]:
        """Claim no more than the limits allow; test mail counts for none of them."""
        now = self.now()
        lease = Lease(self._owner_id, until=now + LEASE, token=self.journal.token)
        permits = limits.Permits(0)
        if not self._is_held:
            permits = limits.take(self.account, most=most, at=now)
            self.wait = permits.wait
        if permits.count:
            claimed = claiming.claim(lease, at=now, most=permits.count, noted=noted)
        elif self.is_carrying:
            claimed = []
        else:
            claimed = claiming.claim(lease, at=now, most=most, noted=noted, mode=Mode.TEST)
        live = [_key(email) for email in claimed if email.mode == Mode.LIVE]
        limits.give_back(self.account, count=permits.count - len(live), taken_at=now)
        self._permitted_at.update(dict.fromkeys(live, now))
        return claimed

    @property
    def is_carrying(self) -> bool:
        """Whether this is another account's mail."""
        return self._owner_id != self.account_id

    def prepare(self, email: EmailLog) -> Envelope | Outcome:
        """Return what to send, or the outcome where nothing is.

        Raises:
            SecretUnreadable: the account's domain has a key that can't be decrypted.
        """
        prepared = self._prepare(email)
        if isinstance(prepared, Outcome):
            self._unsent.append(_key(email))
        return prepared

    def _prepare(self, email: EmailLog) -> Envelope | Outcome:
        if refused := self._mark_suppressed(email):
            return refused
        if email.to_address in email.recipient_outcomes and not email.recipients:
            return outcomes.settled_before(email, at=self.now())
        if self._unreadable:
            raise self._unreadable
        try:
            data = building.build_message(email, signers=self._signers)
        except Refused as refusal:
            code = "template_error" if email.content.template_version else refusal.code
            return outcomes.failed(email, code=code, message=str(refusal), at=self.now())
        if email.mode == Mode.TEST:
            return outcomes.captured(email, at=self.now())
        return Envelope(
            mail_from=return_path_of(email, account=self._owner),
            recipients=tuple(email.recipients),
            data=data,
            envelope_id=str(email.tracking_id),
            wants_reports=_reads_reports(self._owner),
        )

    def take_more_slots(self, *, most: int) -> int:
        """Return for how many further connections slots were taken."""
        token, now = self.journal.token, self.now()
        return slots.take_some(self.account, most=most, token=token, until=now + LEASE, at=now)

    def keep_slot(self, token: str, *, lease: timedelta) -> bool:
        """Leave one of the slots to a connection that is kept; False where others may need it."""
        now = self.now()
        return self._has_slot and slots.keep(
            self.account, token=self.journal.token, kept=token, until=now + lease, at=now
        )

    def note_data(self, emails: Sequence[EmailLog]) -> list[EmailLog]:
        """Store that the messages may go from now on; returns those that are still held."""
        return transitions.note_data(emails)

    def record(self, entries: Sequence[Entry]) -> None:
        """Store outcomes, and which addresses do not exist; rows taken back stay as they are."""
        stored = [entry.outcome for entry in recording.record(entries)]
        self.journal.settle(outcome.email for outcome in stored)
        self._count_unsent()
        for outcome in stored:
            self._permitted_at.pop(_key(outcome.email), None)
        sent = [each.at for each in stored if each.kind == EventType.SENT and _is_live(each)]
        if sent:
            self._note_use(max(sent))

    def release(self, emails: Iterable[EmailLog]) -> None:
        """Put claimed messages back that were not begun; no retry is counted."""
        released = list(emails)
        transitions.release(released, at=self.now())
        self.journal.settle(released)
        self._unsent.extend(map(_key, released))

    def pause(self, reason: str) -> None:
        """Hold the account's mail until it passes a test, unless it was changed meanwhile."""
        now = EmailAccount.objects.select_related("domain").filter(pk=self.account_id).first()
        if now and now.is_active and connection_settings(now) == connection_settings(self.account):
            now.pause(reason, at=self.now())
            logger.warning("account paused", extra={"account": now.pk, "reason": reason})

    def keep_dialogue(self, result: ProbeResult) -> None:
        """Remember what was said until the server refused the account; no message's event does."""
        last_try.keep(self.account, result, is_test=False)

    def refuse_sender(self, word: smtp.Outcome, dialogue: Lines) -> None:
        """Stop where the server takes nothing from this sender.

        From another account's address that says nothing about the login's own mail.
        """
        reason = str(word.reply)
        if not self.is_carrying:
            self.pause(reason)
            return self.keep_dialogue(ProbeResult.refused(word, dialogue=dialogue))
        limits.refuse_fallback(self._owner, reason=reason, at=self.now())
        logger.warning("fallback refused", extra={"account": self._owner_id, "reason": reason})
        return None

    def slow_down(self) -> None:
        limits.slow_down(self.account, at=self.now())

    def speed_up(self) -> None:
        limits.speed_up(self.account, at=self.now())

    def close(self) -> None:
        """Give back what is still held; what may have gone out is left to the journal's reader."""
        if self._journal is None:
            return
        mine = EmailLog.objects.filter(lease_token=self.journal.token, status=EmailStatus.SENDING)
        self.release(mine.exclude(pk__in=[pk for pk, _ in self.journal.unsettled]))
        slots.give_back(self.journal.token)
        self._return_permits()
        self._write_uses()

    def let_go(self) -> None:
        """Leave what is not settled to the next drain or sweep of this machine."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _write_uses(self) -> None:
        """Add to the templates' counts what was tried for the first time; a kill loses a second."""
        for template_id, count in list(self._uses.items()):
            template = EmailTemplate.objects.filter(pk=template_id)
            template.update(usage_count=F("usage_count") + count)
            del self._uses[template_id]

    def _count_unsent(self) -> None:
        """Sort the permits that were not used by when they were given, each for its windows."""
        while self._unsent:
            if at := self._permitted_at.pop(self._unsent.popleft(), None):
                self._unused[at] += 1

    def _return_permits(self) -> None:
        self._count_unsent()
        for at, count in list(self._unused.items()):
            limits.give_back(self.account, count=count, taken_at=at)
            del self._unused[at]

    def _take_slot(self) -> bool:
        if not self._has_slot:
            token, now = self.journal.token, self.now()
            self._has_slot = slots.take(
                self.account, token=token, until=now + LEASE, at=now, kept=self.kept_slot
            )
        return self._has_slot

    def _attend(self, emails: Sequence[EmailLog]) -> None:
        """Give the messages what they are made of, and see which may not be sent any more."""
        for email in emails:
            email.account, email.tenant = self._owner, self._owner.tenant
        self._contents.attach(emails)
        self._suppressed |= _suppressed(emails, tenant=self._owner.tenant, at=self.now())

    def _mark_suppressed(self, email: EmailLog) -> Outcome | None:
        """Leave out copies that may not be mailed any more; without its recipient it ends."""
        if not self._suppressed:
            return None
        for address in email.recipients:
            entry = self._suppressed.get((email.topic, key_of(address)))
            if entry is None:
                continue
            if address == email.to_address:
                return outcomes.suppressed(email, entry, at=self.now())
            email.recipient_outcomes[address] = {"status": "suppressed", **entry.trace}
        return None

    def _note_use(self, at: datetime) -> None:
        last = self.account.last_used
        if last is None or at - last > LAST_USED_EVERY:
            EmailAccount.objects.filter(pk=self.account_id).update(last_used=at)
            self.account.last_used = at


class ServerTime:
    """The database's time, asked once and then counted on by this machine's monotonic clock."""

    def __init__(self, at: datetime | None = None) -> None:
        self._at = at or datetime.now(UTC)
        self._since = time.monotonic()

    @classmethod
    def asked(cls) -> ServerTime:
        return cls(DatabaseClock().now())

    def now(self) -> datetime:
        return self._at + timedelta(seconds=time.monotonic() - self._since)


def _suppressed(
    emails: Sequence[EmailLog], *, tenant: Tenant, at: datetime
) -> dict[tuple[str, str], Suppression]:
    """Return by topic and key what keeps mail from recipients, by one query per topic."""
    by_topic: dict[str, set[str]] = {}
    for email in emails:
        by_topic.setdefault(email.topic, set()).update(map(key_of, email.recipients))
    return {
        (topic, key): entry
        for topic, keys in by_topic.items()
        for key, entry in _covered(keys, tenant=tenant, topic=topic, at=at).items()
    }


def _covered(
    keys: Iterable[str], *, tenant: Tenant, topic: str, at: datetime
) -> dict[str, Suppression]:
    """Return what keeps mail from ``keys``; whole entries are read only if there are any."""
    topics = {topic} - {""}
    found = Suppression.objects.covering(keys, tenant=tenant, topics=topics, at=at)
    if not found:
        return {}
    return Suppression.objects.widest(found, tenant=tenant, topics=topics, at=at)


def _key(email: EmailLog) -> Key:
    return email.pk, email.attempt


def _reads_reports(account: EmailAccount) -> bool:
    return account.reads_mail or bool(account.bounce_address)


def _is_live(outcome: Outcome) -> bool:
    return outcome.email.mode == Mode.LIVE
