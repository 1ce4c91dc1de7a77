"""Signs that a verdict needs a person's eye although its form is right."""

from __future__ import annotations

import re
from unicodedata import category

from ai_triage.drafts import strangers
from ai_triage.models import ReviewReason, TriageSettings
from ai_triage.own_words import LONGEST_BODY
from ai_triage.providers.base import Question, Verdict

LOOKED_AT = 20_000

_TO_THE_MODEL = r"(?:assistant|a\.?i\.?|model|llm|assistente|i\.?a\.?|modelo|chatbot)"
_ORDERS = re.compile(
    # Forget what you were told …
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}"
    r"\b(?:instructions?|prompts?|rules|directives|guidelines)\b"
    r"|\b(?:ignor[ae]\w*|esque[çc]\w+|desconsider\w+|desobede\w+)\b.{0,40}"
    r"\b(?:instru[çc][õo]es|regras|prompt|orienta[çc][õo]es)\b"
    r"|\bnew instructions?\s*:|\bnovas instru[çc][õo]es\s*:"
    # … said to somebody who isn't a person …
    rf"|\b(?:note|message|attention|nota|aviso|mensagem)\b.{{0,8}}\b(?:to|for|para|ao?|à)\b.{{0,6}}"
    rf"\b{_TO_THE_MODEL}\b"
    rf"|(?:^|[\s>!-]){_TO_THE_MODEL}\s*:\s"
    r"|\byou are (?:now|no longer) (?:an? |the )?\w+|\bact as (?:an?|the) \w+ (?:system|model)\b"
    r"|\b(?:system|your|teu|seu|tua|sua) prompt\b|\bprompt do sistema\b"
    # … about what only the verdict knows …
    r"|\b(?:decision|email_type|suggested_response|needs_review)\b[\"']?\s*[:=]"
    r"|\b(?:confidence|confian[çc]a)\b.{0,6}\b(?:1|1[.,]0+|100 ?%)(?!\d)"
    r"|\b(?:classify|classifi(?:que|ca)|mark|marque|marca|treat)\b.{0,40}\b(?:as|como)\b.{0,6}"
    r"\b(?:spam|newsletter|boletim|auto_reply)\b"
    r"|\b(?:answer|respond|reply with|always answer|responde|responda) (?:only )?(?:with )?"
    r"[\"']?(?:ignore|respond)\b"
    # … or in the marks by which models tell their masters from strangers.
    r"|\"role\"\s*:\s*\"(?:system|assistant)\"|<\|\w{2,20}\|>|\[/?inst\]"
    r"|</?(?:system|assistant|mail|instructions?)>|<<<\s{0,5}\w|##\s{0,5}(?:system|sistema)\b"
    r"|(?:^|\n)[> \t]{0,20}(?:system|sistema)[ \t]{0,5}:.{0,80}"
    r"\b(?:ignore|mail|answer|respond|ignorad)",
    re.IGNORECASE,
)


def speaks_to_a_model(text: str) -> bool:
    """Tell whether the text seems to give orders to whatever program reads it."""
    plain = "".join(char for char in text[:LOOKED_AT] if category(char) != "Cf")
    return bool(_ORDERS.search(plain))


def review_reason(question: Question, verdict: Verdict, *, wants: TriageSettings) -> str:
    """Return why a person must look at the verdict, the gravest reason, or nothing."""
    mail = question.mail
    if speaks_to_a_model("\n".join([mail.subject, mail.body, *mail.attachments])):
        return ReviewReason.INJECTION
    draft = verdict.suggested_response
    if draft and strangers(f"{draft.subject}\n{draft.body}", sources=_sources(question)):
        return ReviewReason.STRANGE_LINK
    return ReviewReason.LOW_CONFIDENCE if verdict.confidence < float(wants.review_below) else ""


def _sources(question: Question) -> list[str]:
    """Where a draft may take links and addresses from."""
    mail, company = question.mail, question.company
    known = [text for snippet in question.snippets for text in (snippet.question, snippet.answer)]
    return [
        *(
            mail.subject,
            mail.body[:LONGEST_BODY],
            mail.thread_excerpt,
            mail.from_address,
            mail.to_address,
        ),
        *(company.name, company.support_address, company.signature),
        *known,
    ]
