"""Training mails, grown from templates whose ``{one|other}`` parts are drawn anew each time."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

FOLDER = Path(__file__).with_name("templates")

_INNERMOST = re.compile(r"\{([^{}]*)\}")
_GREETINGS = {
    "en": [
        "Hi,",
        "Hello,",
        "Dear team,",
        "Hey there,",
        "Good morning,",
        "Dear Sir or Madam,",
        "To whom it may concern,",
    ],
    "pt": [
        "Olá,",
        "Bom dia,",
        "Boa tarde,",
        "Boa noite,",
        "Exmos. Senhores,",
        "Prezados,",
        "Oi,",
        "Oi, tudo bem?",
        "Caros,",
        "Viva,",
    ],
}
_CLOSINGS = {
    "en": [
        "Thanks",
        "Kind regards",
        "Best",
        "Many thanks in advance",
        "Regards",
        "Cheers",
        "Yours sincerely",
    ],
    "pt": [
        "Obrigado",
        "Obrigada",
        "Cumprimentos",
        "Com os melhores cumprimentos",
        "Att.",
        "Atenciosamente",
        "Abraço",
        "Grato",
        "Melhores cumprimentos",
    ],
}
_NAMES = {
    "en": [
        "Joan Hale",
        "P. Osei",
        "Kevin",
        "Mrs R. Lund",
        "Tom\nLund & Co",
        "Sarah B.",
        "Dr. Amin",
        "Lucy",
    ],
    "pt": [
        "Joana Prado",
        "Rui M.",
        "Cláudia",
        "Carlos Vaz\nDiretor de compras",
        "Bia",
        "Dra. Sá",
        "João",
        "Thiago",
    ],
}
_MACHINES = ["noreply@", "no-reply@", "newsletter@", "notifications@", "news@"]
_PEOPLE = ["ana@", "j.hale@", "info@", "compras@", "office@", "kev1979@", "contact@"]
_HUMAN_TYPES = frozenset(["question", "complaint", "request"])
_HUMAN_TOPICS = frozenset(
    ["feedback", "thanks", "decline", "note", "supplier", "spam-outreach", "spam-seo", "spam-scam"]
)


class Template(TypedDict):
    topic: str
    language: str
    decision: str
    email_type: str
    urgency: str
    subject: str
    body: str


@dataclass(frozen=True)
class Sample:
    """One mail to learn from; mails of one ``topic`` are never split between folds."""

    topic: str
    language: str
    decision: str
    email_type: str
    urgency: str
    from_address: str
    subject: str
    body: str


def templates() -> Iterator[Template]:
    """Yield every template of the folder."""
    for path in sorted(FOLDER.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            template: Template = json.loads(line)
            yield template


def samples(*, per_template: int, seed: int) -> list[Sample]:
    """Return ``per_template`` different mails of each template, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  not a secret
    grown = {
        sample: None
        for template in templates()
        for _ in range(per_template)
        for sample in [_grow(template, chance)]
    }
    return list(grown)


def _grow(template: Template, chance: random.Random) -> Sample:
    subject, body = _expand(template["subject"], chance), _expand(template["body"], chance)
    if template["email_type"] in _HUMAN_TYPES or template["topic"] in _HUMAN_TOPICS:
        body = _framed(body, template["language"], chance)
        subject = _human_subject(subject, chance)
    return Sample(
        topic=template["topic"],
        language=template["language"],
        decision=template["decision"],
        email_type=template["email_type"],
        urgency=template["urgency"],
        from_address=_sender(template, chance),
        subject=subject,
        body=body,
    )


def _expand(text: str, chance: random.Random) -> str:
    while _INNERMOST.search(text):
        text = _INNERMOST.sub(lambda match: chance.choice(match[1].split("|")), text)
    return text.strip()


def _framed(body: str, language: str, chance: random.Random) -> str:
    """Return ``body`` as a person may send it: greeted, signed, in lower case, or bare."""
    if chance.random() < 0.6:
        body = f"{chance.choice(_GREETINGS[language])}\n\n{body}"
    if chance.random() < 0.6:
        body += f"\n\n{chance.choice(_CLOSINGS[language])},\n{chance.choice(_NAMES[language])}"
    return body.lower() if chance.random() < 0.1 else body


def _human_subject(subject: str, chance: random.Random) -> str:
    draw = chance.random()
    if draw < 0.15:
        return ""
    return f"Re: {subject}" if draw < 0.25 else subject


def _sender(template: Template, chance: random.Random) -> str:
    bulk = template["email_type"] in ("newsletter", "auto_reply") or template["topic"] == "system"
    machine = chance.random() < (0.6 if bulk else 0.02)
    return chance.choice(_MACHINES if machine else _PEOPLE) + "example.com"
