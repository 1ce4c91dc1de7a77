"""Labelled mails to measure a provider with: one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ai_triage.providers.base import Decision, EmailType, Mail, Urgency

OWN_SET = Path(__file__).with_name("mails.jsonl")


@dataclass(frozen=True)
class LabelledMail:
    """A mail and what a person says about it."""

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
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_read(line, number) for number, line in enumerate(lines, 1) if line.strip()]


def _read(line: str, number: int) -> LabelledMail:
    try:
        row = json.loads(line)
        return LabelledMail(
            mail=Mail(
                email_id=row["id"],
                from_address=row["from"],
                to_address=row["to"],
                subject=row["subject"],
                body=row["body"],
                headers=row.get("headers", {}),
            ),
            language=row["language"],
            decision=Decision(row["decision"]),
            email_type=EmailType(row["email_type"]),
            urgency=Urgency(row["urgency"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"Line {number} is no labelled mail: {error}") from error
