"""What every provider is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ai_triage.kinds import Criteria, Decision, EmailType, Tone, Urgency
from ai_triage.usage import Usage

PATIENCE = 60.0
"""Seconds that an answer may take where the caller doesn't say."""


@dataclass(frozen=True)
class Mail:
    """One inbound mail as text; everything in it was written by a stranger."""

    email_id: str
    from_address: str
    to_address: str
    subject: str
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    received_at: datetime | None = None
    thread_id: str | None = None
    thread_excerpt: str = ""
    attachments: tuple[str, ...] = ()

    def header(self, name: str) -> str | None:
        """Return the header's value whatever the case of its name, or None."""
        wanted = name.lower()
        return next((v for k, v in self.headers.items() if k.lower() == wanted), None)


@dataclass(frozen=True)
class Company:
    """Who answers, as the prompt's fields and the drafts name them."""

    name: str
    sector: str = ""
    support_address: str = ""
    signature: str = ""


@dataclass(frozen=True)
class Example:
    """A mail of the past with what a person decided about it."""

    subject: str
    body: str
    decision: Decision
    email_type: EmailType
    urgency: Urgency


@dataclass(frozen=True)
class Snippet:
    """A piece of knowledge that staff keep: a question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Question:
    """All that a provider may know about one mail, the parts kept apart.

    Only ``mail`` was written by a stranger. ``examples`` hold text of earlier strangers.
    """

    mail: Mail
    company: Company
    system_prompt: str
    criteria: Criteria
    examples: tuple[Example, ...] = ()
    snippets: tuple[Snippet, ...] = ()
    tone: Tone = Tone.PROFESSIONAL


@dataclass(frozen=True)
class SuggestedResponse:
    """A draft; ``language`` is a tag such as ``en`` or ``pt-BR``."""

    subject: str
    body: str
    tone: Tone
    language: str


@dataclass(frozen=True)
class Verdict:
    """What a provider thinks of a mail; ``confidence`` (0 to 1) is that of the decision."""

    decision: Decision
    confidence: float
    email_type: EmailType
    urgency: Urgency
    reason: str
    suggested_response: SuggestedResponse | None = None


@dataclass(frozen=True)
class Answer:
    """A verdict and where it came from; ``raw`` is the provider's text as received."""

    verdict: Verdict
    provider: str
    model_version: str
    usage: Usage
    raw: str


class Provider(Protocol):
    """Something that judges mails."""

    name: str

    async def answer(self, question: Question, *, within: float = PATIENCE) -> Answer:
        """Return the verdict on the question's mail, or give up ``within`` so many seconds.

        Raises:
            ProviderUnavailable: later may work.
            ProviderRefused: it won't work until somebody acts.
            BadAnswer: what came back is no verdict.
            Blocked: the provider declines to judge this mail.
        """
        ...
