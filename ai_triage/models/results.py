"""A mail with what was decided about it, and what people said of the decision."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import EmailAccount
from ai_triage import failures
from ai_triage.kinds import Decision
from ai_triage.models.choices import DECISIONS, EMAIL_TYPES, TONES, URGENCIES
from ai_triage.models.prompts import Experiment, PromptVersion
from common.errors import Conflict
from inbox.kinds import NeverReply
from inbox.models import InboundEmail
from logs.models import EmailLog
from tenants.models import Mode, Tenant


class Status(models.TextChoices):
    QUEUED = "queued", _("queued")
    PROCESSING = "processing", _("processing")
    COMPLETED = "completed", _("completed")
    FAILED = "failed", _("failed")


class ReviewReason(models.TextChoices):
    """Why a person must look."""

    LOW_CONFIDENCE = "low_confidence", _("low confidence")
    BLOCKED = "blocked", _("the provider would not judge it")
    BAD_ANSWER = "bad_answer", _("the provider's answer was no verdict")
    INJECTION = "injection", _("the mail gives orders to the model")
    STRANGE_LINK = "strange_link", _("the draft names links or addresses of its own")
    UNAVAILABLE = "unavailable", _("no model could be reached")
    COST_LIMIT = "cost_limit", _("the day's cost limit was reached")
    REPLY_FAILED = "reply_failed", _("the automatic reply was refused")
    REPLY_LIMIT = "reply_limit", _("a limit of automatic replies was reached")
    ANSWERED = "answered", _("the conversation was answered meanwhile")


class Action(models.TextChoices):
    """What a person did with a result."""

    APPROVED = "approved", _("approved")
    EDITED = "edited", _("edited")
    IGNORED = "ignored", _("ignored")
    CORRECTED = "corrected", _("corrected")


def urgency_rank() -> Case:
    """Return an expression that is the least for the most urgent."""
    ranks = [When(urgency=name, then=rank) for rank, (name, _title) in enumerate(URGENCIES)]
    return Case(*ranks, default=len(URGENCIES), output_field=models.SmallIntegerField())


def came_in_batch(wanted: bool = True) -> Case:
    """Return the condition that a mail came with others, or with False on its own.

    As a CASE it leads to no index: that of ``batch_id`` would read all that ever came alone.
    """
    alone = When(batch_id=None, then=Value(not wanted))
    return Case(alone, default=Value(wanted), output_field=models.BooleanField())


def without_index(**condition: Any) -> Case:
    """Return a condition as a CASE, which leads to no index.

    MariaDB takes an index also for what nearly every mail fulfils, and then reads them all.
    """
    fulfilled = When(**condition, then=Value(True))
    return Case(fulfilled, default=Value(False), output_field=models.BooleanField())


class TriageResultQuerySet(models.QuerySet["TriageResult"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def claimable(self, *, at: datetime) -> Self:
        """Those whose turn it is: due, or begun by a worker whose lease has ended."""
        due = Q(status=Status.QUEUED, next_attempt_at__lte=at)
        return self.filter(due | Q(status=Status.PROCESSING, lease_until__lte=at))

    def waiting_for_review(self) -> Self:
        """Those a person must look at, also where no model has judged them.

        A bare boolean column uses no index, neither in SQLite nor in MariaDB; ``IN (1)`` does.
        """
        return self.filter(needs_review__in=[True], reviewed_at=None)

    def waiting_for_person(self, *, tenants: Collection[int] | None = None) -> Self:
        """Those a person must look at, and those whose draft somebody is to send.

        ``tenants`` limits them, in each part of the OR, so that each has its index.
        """
        own = Q() if tenants is None else Q(tenant__in=tenants)
        unseen = Q(reviewed_at=None, responded_at=None) & Q(without_index(answer_due_at=None))
        to_judge = own & unseen & Q(needs_review__in=[True])
        is_judged = Q(without_index(status=Status.COMPLETED))
        to_answer = own & unseen & Q(decision=Decision.RESPOND) & is_judged
        reviewed = own & Q(awaits_answer__in=[True], responded_at=None)
        return self.filter(to_judge | to_answer | reviewed)

    def most_urgent_first(self) -> Self:
        """In the order of the review queue: by urgency, then by age."""
        whens = [
            When(urgency=urgency, then=rank) for rank, (urgency, _name) in enumerate(URGENCIES)
        ]
        rank = Case(*whens, default=len(URGENCIES), output_field=models.SmallIntegerField())
        return self.annotate(urgency_rank=rank).order_by("urgency_rank", "received_at", "pk")


class TriageResult(models.Model):
    """One mail of a tenant and its triage; the API's ``email_id`` is the caller's own.

    ``job_id`` is null where the request itself waited for the verdict.
    ``attempt`` rises with every claim; a write of an earlier one is void. ``cost`` is in US
    dollars, null where the model's price isn't known. What people corrected stands in
    ``Feedback``; the columns here keep what was decided first. ``answer_due_at`` is set while an
    automatic answer is to go, ``awaits_answer`` while a mail was reviewed, but not answered yet.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    mode = models.CharField(_("mode"), max_length=4, choices=Mode, default=Mode.LIVE)
    email_id = models.CharField(_("e-mail id"), max_length=255)
    email_key = models.CharField(max_length=64, editable=False)
    request_digest = models.CharField(max_length=64, editable=False)
    job_id = models.UUIDField(null=True, editable=False)
    batch_id = models.UUIDField(_("batch"), null=True, editable=False)
    inbound = models.OneToOneField(
        InboundEmail,
        models.SET_NULL,
        null=True,
        related_name="triage",
        verbose_name=_("inbound mail"),
    )

    from_address = models.CharField(_("from"), max_length=320)
    from_name = models.CharField(_("from name"), max_length=255, blank=True)
    to_address = models.CharField(_("to"), max_length=320, blank=True)
    subject = models.TextField(_("subject"), blank=True)
    body = models.TextField(_("body"), blank=True)
    headers = models.JSONField(_("headers"), default=dict)
    thread_id = models.CharField(_("thread"), max_length=255, blank=True)
    received_at = models.DateTimeField(_("received at"))
    attachments = models.JSONField(_("attachments"), default=list)
    metadata = models.JSONField(_("metadata"), default=dict)
    language = models.CharField(_("language"), max_length=10, blank=True)

    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.QUEUED)
    attempt = models.PositiveIntegerField(default=0, editable=False)
    tries = models.PositiveIntegerField(_("tries"), default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True)
    error_code = models.CharField(_("error code"), max_length=40, blank=True)
    error = models.CharField(_("error"), max_length=500, blank=True)

    decision = models.CharField(_("decision"), max_length=8, choices=DECISIONS, blank=True)
    confidence = models.DecimalField(_("confidence"), max_digits=3, decimal_places=2, null=True)
    email_type = models.CharField(_("type"), max_length=12, choices=EMAIL_TYPES, blank=True)
    urgency = models.CharField(_("urgency"), max_length=6, choices=URGENCIES, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    suggested_subject = models.CharField(_("suggested subject"), max_length=250, blank=True)
    suggested_body = models.TextField(_("suggested body"), blank=True)
    suggested_tone = models.CharField(_("suggested tone"), max_length=12, choices=TONES, blank=True)
    needs_review = models.BooleanField(_("a person must look"), default=False)
    review_reason = models.CharField(
        _("why a person must look"), max_length=16, choices=ReviewReason, blank=True
    )
    never_auto_reply = models.CharField(
        _("never answered automatically"), max_length=24, choices=NeverReply, blank=True
    )
    processing_time_seconds = models.FloatField(_("processing time"), null=True)
    processed_at = models.DateTimeField(_("processed at"), null=True)

    provider = models.CharField(_("provider"), max_length=20, blank=True)
    model_version = models.CharField(_("model"), max_length=100, blank=True)
    prompt = models.ForeignKey(
        PromptVersion, models.SET_NULL, null=True, related_name="+", verbose_name=_("prompt")
    )
    experiment = models.ForeignKey(
        Experiment, models.SET_NULL, null=True, related_name="+", verbose_name=_("prompt trial")
    )
    input_tokens = models.PositiveIntegerField(_("input tokens"), default=0)
    output_tokens = models.PositiveIntegerField(_("output tokens"), default=0)
    cost = models.DecimalField(_("cost"), max_digits=12, decimal_places=8, null=True)
    raw_answer = models.TextField(_("raw answer"), blank=True)
    cache_key = models.CharField(max_length=64, blank=True, editable=False)
    cached_from = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    used_examples = models.JSONField(_("examples used"), default=list)
    used_snippets = models.JSONField(_("knowledge used"), default=list)

    reviewed_at = models.DateTimeField(_("reviewed at"), null=True)
    reviewed_by = models.CharField(_("reviewed by"), max_length=150, blank=True)
    response = models.OneToOneField(
        EmailLog, models.SET_NULL, null=True, related_name="+", verbose_name=_("reply")
    )
    responded_at = models.DateTimeField(_("answered at"), null=True)
    answer_due_at = models.DateTimeField(null=True, editable=False)
    is_automatic = models.BooleanField(_("answered automatically"), default=False)
    awaits_answer = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)
    removed_at = models.DateTimeField(
        _("removed at"), null=True, editable=False, help_text="When its texts went."
    )

    objects = TriageResultQuerySet.as_manager()

    class Meta:
        verbose_name = _("triaged mail")
        verbose_name_plural = _("triaged mail")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "mode", "email_key"], name="triage_once_per_email"
            ),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__gte=0, confidence__lte=1),
                name="triage_confidence_0_to_1",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "next_attempt_at"], name="triage_by_turn"),
            models.Index(fields=["status", "lease_until"], name="triage_by_lease"),
            models.Index(fields=["tenant", "processed_at"], name="triage_by_time"),
            models.Index(fields=["tenant", "needs_review", "reviewed_at"], name="triage_by_review"),
            # Lists are read in the order of their keys, which every index ends with.
            models.Index(fields=["tenant", "needs_review"], name="triage_by_need"),
            models.Index(fields=["tenant", "reviewed_at"], name="triage_by_review_time"),
            models.Index(fields=["tenant", "cache_key"], name="triage_by_cache_key"),
            models.Index(fields=["tenant", "thread_id"], name="triage_by_thread"),
            models.Index(fields=["tenant", "from_address"], name="triage_by_sender"),
            models.Index(fields=["tenant", "batch_id"], name="triage_by_batch"),
            models.Index(
                fields=["tenant", "decision", "responded_at", "reviewed_at"],
                name="triage_by_answer",
            ),
            models.Index(
                fields=["tenant", "is_automatic", "responded_at"], name="triage_by_automatic"
            ),
            models.Index(fields=["answer_due_at"], name="triage_by_answer_due"),
            models.Index(fields=["tenant", "removed_at"], name="triage_to_remove"),
            # By its last column, SQLite guesses how few of its rows it is looked into for.
            models.Index(
                fields=["tenant", "awaits_answer", "responded_at"], name="triage_by_awaited"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_address}: {self.subject[:80]}"

    @property
    def cached(self) -> bool:
        return self.cached_from_id is not None

    @property
    def error_in_words(self) -> str:
        """The error in the reader's language."""
        return failures.in_words(self.error)

    @property
    def response_sent(self) -> bool:
        """Whether an answer was handed to delivery; it stays true when the message is purged."""
        return self.responded_at is not None

    def settle(self, **changes: Any) -> None:
        """Store what became of the mail, if nobody settled it since this row was read.

        Raises:
            Conflict: it was answered, or somebody else has reviewed it.
        """
        unsettled = TriageResult.objects.filter(
            pk=self.pk, responded_at=None, reviewed_at=self.reviewed_at
        )
        changes["awaits_answer"] = False
        if not unsettled.update(updated_at=timezone.now(), **changes):
            raise Conflict("This mail was answered or reviewed meanwhile; look again.")
        for name, value in changes.items():
            setattr(self, name, value)


NO_VERDICT: dict[str, object] = {
    "error_code": "",
    "error": "",
    "decision": "",
    "confidence": None,
    "email_type": "",
    "urgency": "",
    "reason": "",
    "suggested_subject": "",
    "suggested_body": "",
    "suggested_tone": "",
    "needs_review": False,
    "review_reason": "",
    "never_auto_reply": "",
    "processing_time_seconds": None,
    "processed_at": None,
    "provider": "",
    "model_version": "",
    "prompt": None,
    "experiment": None,
    "input_tokens": 0,
    "output_tokens": 0,
    "cost": None,
    "raw_answer": "",
    "cache_key": "",
    "cached_from": None,
    "used_examples": [],
    "used_snippets": [],
    "reviewed_at": None,
    "reviewed_by": "",
    "answer_due_at": None,
    "awaits_answer": False,
}
"""The columns of a mail that nobody has judged yet."""


def key_of(email_id: str) -> str:
    """Return what an ``email_id`` is found by: exact, whatever the database's collation."""
    return hashlib.sha256(email_id.encode("utf-8", "surrogatepass")).hexdigest()


class Draft(models.Model):
    """What a person has written so far; gone once it is sent, back when that is undone."""

    result = models.OneToOneField(
        TriageResult, models.CASCADE, related_name="kept_draft", verbose_name=_("triaged mail")
    )
    subject = models.CharField(_("subject"), max_length=250, blank=True)
    body = models.TextField(_("answer"), blank=True)
    account = models.ForeignKey(
        EmailAccount, models.SET_NULL, null=True, related_name="+", verbose_name=_("sent from")
    )
    by = models.CharField(_("by"), max_length=150)
    saved_at = models.DateTimeField(_("saved at"))

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")

    def __str__(self) -> str:
        return f"{self.subject[:80]} · {self.by}"


class Feedback(models.Model):
    """What a person said of one result; an empty field is not corrected."""

    result = models.ForeignKey(
        TriageResult, models.CASCADE, related_name="feedback", verbose_name=_("triaged mail")
    )
    action = models.CharField(_("action"), max_length=10, choices=Action)
    decision = models.CharField(_("decision"), max_length=8, choices=DECISIONS, blank=True)
    email_type = models.CharField(_("type"), max_length=12, choices=EMAIL_TYPES, blank=True)
    urgency = models.CharField(_("urgency"), max_length=6, choices=URGENCIES, blank=True)
    comment = models.TextField(_("comment"), max_length=2000, blank=True)
    by = models.CharField(_("by"), max_length=150, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        indexes = [models.Index(fields=["created_at"], name="feedback_by_time")]

    def __str__(self) -> str:
        return f"{self.get_action_display()} · {self.by}"
