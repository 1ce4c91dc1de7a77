"""A model's text read strictly into a verdict: it is outside input, never completed by guesses."""

from __future__ import annotations

import json
import math
import re
from enum import StrEnum
from typing import Any, NoReturn, TypeVar
from unicodedata import category

from ai_triage.errors import BadAnswer
from ai_triage.kinds import Decision, EmailType, Tone, Urgency
from ai_triage.providers.base import SuggestedResponse, Verdict

MAX_ANSWER = 60_000
MAX_REASON = 500
MAX_SUBJECT = 250
MAX_BODY = 10_000

_VERDICT_KEYS = frozenset(
    ["decision", "confidence", "email_type", "urgency", "reason", "suggested_response"]
)
_DRAFT_KEYS = frozenset(["subject", "body", "tone", "language"])
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Z]{2})?")
_ZERO_WIDTH_JOINER = "\u200d"  # holds emoji together
_REFUSED_CATEGORIES = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])

Choice = TypeVar("Choice", bound=StrEnum)


def parse_verdict(text: str) -> Verdict:
    """Return the verdict that ``text`` holds: exactly one JSON object of ``answer_schema()``.

    Raises:
        BadAnswer: anything else, with the reason: ``empty``, ``too_long``, ``not_json``,
            ``wrong_keys``, ``wrong_type``, ``not_in_list``, ``out_of_range``, ``wrong_length``,
            ``control_character``, ``contradiction``.
    """
    verdict = _mapping(_load(text), _VERDICT_KEYS, "answer")
    decision = _choice(verdict["decision"], Decision, "decision")
    draft = verdict["suggested_response"]
    if (draft is None) is (decision is Decision.RESPOND):
        _refuse("contradiction", f"decision {decision} and its suggested_response do not agree")
    return Verdict(
        decision=decision,
        confidence=_confidence(verdict["confidence"]),
        email_type=_choice(verdict["email_type"], EmailType, "email_type"),
        urgency=_choice(verdict["urgency"], Urgency, "urgency"),
        reason=_text(verdict["reason"], "reason", most=MAX_REASON),
        suggested_response=None if draft is None else _draft(draft),
    )


def answer_schema() -> dict[str, Any]:
    """Return the JSON Schema of what ``parse_verdict`` takes, for providers that want one."""
    draft = {
        "type": ["object", "null"],
        "additionalProperties": False,
        "required": ["subject", "body", "tone", "language"],
        "properties": {
            "subject": {"type": "string", "minLength": 1, "maxLength": MAX_SUBJECT},
            "body": {"type": "string", "minLength": 1, "maxLength": MAX_BODY},
            "tone": {"type": "string", "enum": list(Tone)},
            "language": {"type": "string", "pattern": f"^{_LANGUAGE.pattern}$"},
        },
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [
            "decision",
            "confidence",
            "email_type",
            "urgency",
            "reason",
            "suggested_response",
        ],
        "properties": {
            "decision": {"type": "string", "enum": list(Decision)},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "email_type": {"type": "string", "enum": list(EmailType)},
            "urgency": {"type": "string", "enum": list(Urgency)},
            "reason": {"type": "string", "minLength": 1, "maxLength": MAX_REASON},
            "suggested_response": draft,
        },
    }


def is_plain(text: str, *, lines: bool) -> bool:
    """Tell whether ``text`` is free of control, direction and invisible characters.

    Line feeds and tabs pass where ``lines`` is true.
    """
    allowed = "\n\t" + _ZERO_WIDTH_JOINER if lines else _ZERO_WIDTH_JOINER
    return all(char in allowed or category(char) not in _REFUSED_CATEGORIES for char in text)


def _load(text: str) -> object:
    if not text.strip():
        _refuse("empty", "the answer is empty")
    if len(text) > MAX_ANSWER:
        _refuse("too_long", f"the answer has {len(text)} characters")
    try:
        loaded: object = json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise BadAnswer("The provider's answer is not JSON.", reason="not_json") from error
    return loaded


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _mapping(value: object, keys: frozenset[str], name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        _refuse("wrong_type", f"{name} is not an object")
    if value.keys() != keys:
        _refuse("wrong_keys", f"{name} has not exactly the keys {', '.join(sorted(keys))}")
    return value


def _draft(value: object) -> SuggestedResponse:
    draft = _mapping(value, _DRAFT_KEYS, "suggested_response")
    language = _text(draft["language"], "language", most=6)
    if not _LANGUAGE.fullmatch(language):
        _refuse("not_in_list", "language is no language tag")
    return SuggestedResponse(
        subject=_text(draft["subject"], "subject", most=MAX_SUBJECT),
        body=_text(draft["body"], "body", most=MAX_BODY, lines=True),
        tone=_choice(draft["tone"], Tone, "tone"),
        language=language,
    )


def _choice(value: object, choices: type[Choice], name: str) -> Choice:
    if not isinstance(value, str):
        _refuse("wrong_type", f"{name} is not a string")
    if value not in list(choices):
        _refuse("not_in_list", f"{name} is none of {', '.join(choices)}")
    return choices(value)


def _confidence(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse("wrong_type", "confidence is not a number")
    if not (math.isfinite(value) and 0 <= value <= 1):
        _refuse("out_of_range", "confidence is not between 0 and 1")
    return float(value)


def _text(value: object, name: str, *, most: int, lines: bool = False) -> str:
    if not isinstance(value, str):
        _refuse("wrong_type", f"{name} is not a string")
    text = value.replace("\r\n", "\n") if lines else value
    if not is_plain(text, lines=lines):
        _refuse("control_character", f"{name} holds a control or invisible character")
    if not (text.strip() and len(text) <= most):
        _refuse("wrong_length", f"{name} has not 1 to {most} characters")
    return text


def _refuse(reason: str, detail: str) -> NoReturn:
    raise BadAnswer(f"The provider's answer was refused: {detail}.", reason=reason)
