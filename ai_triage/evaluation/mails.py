"""Labelled mails to measure a provider with: one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_triage.kinds import Decision, EmailType, Urgency
from ai_triage.providers.base import Mail

OWN_SET = Path(__file__).with_name("mails.jsonl")


@dataclass(frozen=True)
class LabelledMail:
    """A mail and what a person says about it; ``language`` may be empty."""

    mail: Mail
    language: str
    decision: Decision
    email_type: EmailType
    urgency: Urgency


def read_mails(path: Path = OWN_SET) -> list[LabelledMail]:
    """Return the mails of a file, by default those that ship with the code.

    Raises:
        ValueError: a line is no labelled mail; the message names it.
    """
    with path.open(encoding="utf-8-sig") as lines:
        return [_read(line, number) for number, line in enumerate(lines, 1) if line.strip()]


def _read(line: str, number: int) -> LabelledMail:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise TypeError("it is no JSON object")
        return LabelledMail(
            mail=Mail(
                email_id=_text(row, "id"),
                from_address=_text(row, "from"),
                to_address=_text(row, "to", ""),
                subject=_text(row, "subject"),
                body=_text(row, "body"),
                headers=_headers(row),
            ),
            language=_text(row, "language", ""),
            decision=Decision(_text(row, "decision")),
            email_type=EmailType(_text(row, "email_type")),
            urgency=Urgency(_text(row, "urgency")),
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"Line {number} is no labelled mail: {error}") from error


def _text(row: dict[str, Any], name: str, otherwise: str | None = None) -> str:
    value = row.get(name, otherwise)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string")
    return value


def _headers(row: dict[str, Any]) -> dict[str, str]:
    headers = row.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(one, str) for one in headers.values()):
        raise TypeError("headers must be an object of strings")
    return headers
