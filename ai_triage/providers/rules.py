"""The offline provider: header rules, then a small linear model; drafts from templates."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from ai_triage import linear
from ai_triage.drafts import acknowledgement
from ai_triage.features import GREETING, Features, features, sender_kind
from ai_triage.kinds import Decision, EmailType, Urgency
from ai_triage.own_words import own_words
from ai_triage.providers.base import PATIENCE, Answer, Company, Mail, Question, Verdict
from ai_triage.usage import Usage

CERTAIN = 0.99
URGENT_FROM = -1.0  # log-odds below even: an urgent mail missed costs more than a needless hurry
DOUBTFUL = 0.51  # so that a person looks
MOST_GREETING, MOST_WORDS = 6, 2
_ANSWERED = (EmailType.QUESTION, EmailType.COMPLAINT, EmailType.REQUEST, EmailType.OTHER)
_IGNORED = (EmailType.SPAM, EmailType.NEWSLETTER, EmailType.AUTO_REPLY, EmailType.OTHER)
_AUTO_REPLY_HEADERS = ("X-Autoreply", "X-Autorespond", "X-Autoresponder")
_EARLIER = ("re:", "fw:", "fwd:", "enc:", "res:", "tr:")
_WORD = re.compile(r"\w+")
_LINK = re.compile(r"https?://|www\.|\S@\S", re.IGNORECASE)


@dataclass(frozen=True)
class Settled:
    """What a gate found without judging the text: never to be answered, and why."""

    email_type: EmailType
    reason: str


Gate = Callable[[Mail], Settled | None]


def by_headers(mail: Mail) -> Settled | None:
    """Return what the headers settle on their own, or None: the gate where no other is given."""
    automatic = (mail.header("Auto-Submitted") or "no").lower()
    if automatic.startswith("auto-replied") or any(map(mail.header, _AUTO_REPLY_HEADERS)):
        return Settled(EmailType.AUTO_REPLY, _("The headers say that this is an automatic reply."))
    if not automatic.startswith("no"):
        return Settled(EmailType.OTHER, _("The headers say that a system wrote this."))
    if (mail.header("X-Spam-Flag") or "").lower() == "yes":
        return Settled(EmailType.SPAM, _("The mail server marked this as spam."))
    if mail.header("List-Unsubscribe-Post"):
        return Settled(EmailType.NEWSLETTER, _("The headers say that this went to a list."))
    return None


class RulesProvider:
    """Judges without a key or a network; as a ``Provider`` it never fails."""

    name = "rules"

    def __init__(self, gate: Gate = by_headers) -> None:
        self._gate = gate

    async def answer(self, question: Question, *, within: float = PATIENCE) -> Answer:
        """Return the verdict on the question's mail, at no cost."""
        verdict = self.judge(question.mail, company=question.company)
        return Answer(verdict, self.name, linear.load().version, Usage(), raw="")

    def judge(self, mail: Mail, *, company: Company) -> Verdict:
        """Return the verdict, with a draft where an answer is due."""
        settled = self._gate(mail) or _empty(mail)
        if settled:
            return Verdict(
                Decision.IGNORE, CERTAIN, settled.email_type, Urgency.LOW, settled.reason
            )
        return _by_model(mail, company)


def _empty(mail: Mail) -> Settled | None:
    if own_words(mail.body) or mail.subject.strip() or mail.attachments:
        return None
    return Settled(EmailType.OTHER, _("The mail has no content."))


def _asks_by_subject(mail: Mail) -> bool:
    """Tell whether a person asks in the subject, of no earlier mail, and hardly greets below it."""
    subject, own = mail.subject.strip().lower(), own_words(mail.body)
    words = len(_WORD.findall(own))
    adds_nothing = words <= (MOST_GREETING if GREETING.match(own) else MOST_WORDS)
    return (
        "?" in subject
        and not subject.startswith(_EARLIER)
        and adds_nothing
        and not _LINK.search(own)
        and sender_kind(mail.from_address) in ("person", "role")
    )


def _by_model(mail: Mail, company: Company) -> Verdict:
    """The model learnt from texts: a question in the subject alone is judged as one, and kept."""
    model = linear.load()
    asks_by_subject = _asks_by_subject(mail)
    subject, body = ("", mail.subject) if asks_by_subject else (mail.subject, mail.body)
    found = features(from_address=mail.from_address, subject=subject, body=body)
    respond = model.respond(found)
    if asks_by_subject:
        respond = max(respond, DOUBTFUL)
    answered = respond > 0.5
    email_type = EmailType(model.likeliest(linear.TYPE, _ANSWERED if answered else _IGNORED, found))
    if not answered:
        reason = _("The wording is that of mail that needs no answer.")
        return Verdict(Decision.IGNORE, 1 - respond, email_type, Urgency.LOW, reason)
    urgency = _urgency(model, found)
    draft = acknowledgement(mail, email_type=email_type, urgency=urgency, company=company)
    reason = (
        _("The subject asks, and the body only greets.")
        if asks_by_subject
        else _("The wording is that of a person who expects an answer.")
    )
    return Verdict(Decision.RESPOND, respond, email_type, urgency, reason, draft)


def _urgency(model: linear.Model, found: Features) -> Urgency:
    if model.rows[linear.URGENCY + Urgency.HIGH].score(found) > URGENT_FROM:
        return Urgency.HIGH
    return Urgency(model.likeliest(linear.URGENCY, (Urgency.MEDIUM, Urgency.LOW), found))
