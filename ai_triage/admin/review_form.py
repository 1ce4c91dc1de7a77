"""What a person may write, choose and press beside a mail."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import EmailAccount
from ai_triage import replies, review
from ai_triage.conversations import Answered
from ai_triage.models import TriageResult
from ai_triage.models.choices import DECISIONS, EMAIL_TYPES, URGENCIES
from ai_triage.replies import Reply
from ai_triage.review import Correction

SEND, IGNORE, CORRECT, KEEP = "send", "ignore", "correct", "keep"
VERBS = [
    (SEND, _("Send")),
    (IGNORE, _("Ignore")),
    (CORRECT, _("Save correction")),
    (KEEP, _("Save draft")),
]


class ReviewForm(forms.Form):
    """An answer and a correction.

    ``seen``, ``known`` and ``draft`` say what the person saw of the mail, of the conversation's
    answers and of the draft.
    """

    subject = forms.CharField(
        label=_("subject"), required=False, max_length=250, widget=UnfoldAdminTextInputWidget
    )
    body = forms.CharField(
        label=_("answer"),
        required=False,
        max_length=replies.LONGEST_BODY,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 14}),
    )
    account = forms.ModelChoiceField(
        label=_("sent from"),
        queryset=EmailAccount.objects.none(),
        required=False,
        empty_label=_("the default account"),
        widget=UnfoldAdminSelectWidget,
    )
    email_type = forms.ChoiceField(label=_("type"), required=False, widget=UnfoldAdminSelectWidget)
    urgency = forms.ChoiceField(label=_("urgency"), required=False, widget=UnfoldAdminSelectWidget)
    decision = forms.ChoiceField(
        label=_("decision"), required=False, widget=UnfoldAdminSelectWidget
    )
    comment = forms.CharField(
        label=_("comment"),
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    verb = forms.ChoiceField(choices=VERBS)
    seen = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)
    known = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)
    draft = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def __init__(self, *args: Any, result: TriageResult, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accounts = EmailAccount.objects.for_tenant(result.tenant)
        self._field("account").queryset = accounts.filter(
            is_active=True, domain__is_active=True
        ).order_by("email_address")
        for name, choices in (
            ("email_type", EMAIL_TYPES),
            ("urgency", URGENCIES),
            ("decision", DECISIONS),
        ):
            nothing = [] if getattr(result, name) else [("", "–")]
            self._field(name).choices = [*nothing, *choices]

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("verb") == SEND and not (cleaned.get("body") or "").strip():
            self.add_error("body", _("There is no text to send."))
        return cleaned

    @property
    def reply(self) -> Reply:
        account = self.cleaned_data["account"]
        return Reply(
            body=self.cleaned_data["body"],
            subject=self.cleaned_data["subject"],
            account=account.pk if account else None,
        )

    @property
    def correction(self) -> Correction:
        names = ("decision", "email_type", "urgency", "comment")
        return Correction(**{name: self.cleaned_data[name] for name in names})


def filled_for(result: TriageResult, *, answered: Answered | None) -> dict[str, Any]:
    """Return what the form begins with: what somebody has written so far, else the suggestion."""
    draft = review.draft_of(result)
    return {
        "subject": draft.subject if draft else replies.subject_of(result),
        "body": draft.body if draft else result.suggested_body,
        "account": draft.account_id if draft else replies.account_of(result),
        "draft": review.draft_stamp(draft),
        "drafted_by": draft.by if draft else "",
        "email_type": result.email_type,
        "urgency": result.urgency,
        "decision": result.decision,
        "seen": state_of(result),
        "known": answered.key if answered else "",
    }


def corrected_form(result: TriageResult, before: ReviewForm) -> ReviewForm:
    """Return the form anew after its correction was saved, with the answer typed so far."""
    initial = filled_for(result, answered=None)
    return ReviewForm(initial=initial | asdict(before.reply), result=result)


def state_of(result: TriageResult) -> str:
    """Return what changes when somebody reviews or answers the mail."""
    times = (result.reviewed_at, result.responded_at)
    return " ".join(str(at.timestamp()) for at in times if at)
