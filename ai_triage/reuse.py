"""A verdict given before on the same mail, used again; what is only alike never answers."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import astuple

from ai_triage.models import Action, PromptVersion, ReviewReason, Status, TriageResult
from ai_triage.own_words import own_words
from ai_triage.providers.base import Mail, Question
from ai_triage.similarity import body_hash

_WORD = re.compile(r"[^\W_]{3,}")
_SPACE = re.compile(r"\s+")
_QUOTE = re.compile(r"^[ \t]{0,20}>", re.MULTILINE)


def key_of(question: Question, *, version: PromptVersion, provider: str) -> str:
    """Return what two mails share whose verdicts must be the same; empty for a mail without words.

    Everything the provider is told counts but who wrote, when, and under which signature.
    """
    mail = question.mail
    if not own_words(mail.body):
        return ""
    asked = [
        provider,
        version.pk,
        astuple(question.company),
        question.tone,
        [astuple(example) for example in question.examples],
        [astuple(snippet) for snippet in question.snippets],
        _folded(mail.subject),
        [_folded(name) for name in mail.attachments],
        _body_key(mail),
    ]
    return hashlib.sha256(json.dumps(asked).encode("utf-8", "surrogatepass")).hexdigest()


def find(row: TriageResult, key: str, *, mail: Mail) -> TriageResult | None:
    """Return an earlier result of the tenant whose verdict holds for this mail as well."""
    if not key:
        return None
    same = TriageResult.objects.for_tenant(row.tenant).filter(
        mode=row.mode, cache_key=key, status=Status.COMPLETED
    )
    corrected = [Action.CORRECTED, Action.EDITED, Action.IGNORED]
    same = same.exclude(pk=row.pk).exclude(review_reason=ReviewReason.BLOCKED)
    earlier = same.exclude(feedback__action__in=corrected).order_by("-pk").first()
    return earlier if earlier and _is_for(mail, earlier) else None


def _body_key(mail: Mail) -> str:
    """An answer such as "yes, please" means what the text that it quotes makes of it."""
    if mail.thread_excerpt or _QUOTE.search(mail.body):
        return _folded(f"{mail.body}\n{mail.thread_excerpt}")
    return body_hash(mail.body)


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold()


def _is_for(mail: Mail, earlier: TriageResult) -> bool:
    """Tell whether the draft holds nothing of the first sender, such as a name, of its own."""
    personal = [earlier.from_address, earlier.from_name, earlier.subject, earlier.body]
    ours = [mail.from_address, mail.subject, mail.body]
    foreign = _words(*personal) - _words(*ours)
    return not (foreign & _words(earlier.suggested_body, earlier.suggested_subject))


def _words(*texts: str) -> set[str]:
    return set(_WORD.findall(" ".join(texts).casefold()))
