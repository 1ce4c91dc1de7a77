"""What surrounds the words of a mail: greeting, closing, footer, quoted history, slips, sender."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize


@dataclass(frozen=True)
class Wardrobe:
    """What one language has to offer."""

    greetings: Sequence[str]
    polite_openings: Sequence[str]
    closings: Sequence[str]
    names: Sequence[str]
    bulk_greetings: Sequence[str]
    bulk_footers: Sequence[str]
    machine_footers: Sequence[str]
    pitch_footers: Sequence[str]
    person_footers: Sequence[str]
    teams: Sequence[str]
    link_texts: Sequence[str]
    history: Sequence[str]


@dataclass(frozen=True)
class Habits:
    """How often mail of one style has each thing, from 0 to 1."""

    greeting: float = 0.0
    opening: float = 0.0
    closing: float = 0.0
    footer: float = 0.0
    link: float = 0.0
    history: float = 0.0
    slips: float = 0.0
    reply: float = 0.0
    no_subject: float = 0.0


HABITS = {
    "person": Habits(0.6, 0.1, 0.6, 0.06, 0.02, 0.1, 0.3, 0.1, 0.1),
    "away": Habits(0.4, 0.0, 0.5, 0.06, 0.0, 0.0, 0.05, 0.1, 0.0),
    "pitch": Habits(0.6, 0.15, 0.5, 0.12, 0.12, 0.03, 0.05, 0.08, 0.02),
    "bulk": Habits(0.3, 0.0, 0.2, 0.55, 0.3),
    "machine": Habits(0.25, 0.0, 0.15, 0.25, 0.15),
}
_DATA = json.loads(Path(__file__).with_name("wardrobe.json").read_text(encoding="utf-8"))
WARDROBES = {language: Wardrobe(**_DATA[language]) for language in ("en", "pt")}
_SENDERS: dict[str, list[str]] = _DATA["senders"]
_SENDER_POOLS = {
    "person": ["person"] * 7 + ["role"] * 2,
    "away": ["person"] * 5 + ["role"] * 2,
    "pitch": ["person"] * 3 + ["pitch"] * 3 + ["role"],
    "bulk": ["bulk"] * 7 + ["person", "machine"],
    "machine": ["machine"] * 6 + ["bulk", "role", "person"],
}


def sender(style: str, language: str, chance: random.Random) -> str:
    """Return an address as mail of this style has it."""
    local = chance.choice(_SENDERS[chance.choice(_SENDER_POOLS[style])])
    return f"{local}@{'mail' if language == 'en' else 'correio'}.example"


def dressed(
    subject: str, body: str, *, style: str, language: str, chance: random.Random
) -> tuple[str, str]:
    """Return subject and body as they may arrive."""
    habits, wardrobe = HABITS[style], WARDROBES[language]
    body = _signed(_greeted(body, style, habits, wardrobe, chance), style, habits, wardrobe, chance)
    if chance.random() < habits.slips:
        subject, body = _slipped(subject, body, chance)
    if chance.random() < habits.history:
        body += f"\n\n{chance.choice(wardrobe.history)}"
    if chance.random() < habits.no_subject:
        subject = ""
    if chance.random() < habits.reply and not subject.lower().startswith("re:"):
        subject = f"Re: {subject}"
    return subject, body


def _greeted(
    body: str, style: str, habits: Habits, wardrobe: Wardrobe, chance: random.Random
) -> str:
    if chance.random() < habits.opening:
        body = f"{chance.choice(wardrobe.polite_openings)} {body}"
    if chance.random() < habits.greeting:
        impersonal = style in ("bulk", "machine")
        choices = wardrobe.bulk_greetings if impersonal else wardrobe.greetings
        body = f"{chance.choice(choices)}\n\n{body}"
    return body


def _signed(
    body: str, style: str, habits: Habits, wardrobe: Wardrobe, chance: random.Random
) -> str:
    if chance.random() < habits.link:
        body += f"\n\n{chance.choice(wardrobe.link_texts)}: https://www.shop.example/x/{style}"
    if chance.random() < habits.closing:
        if style in ("bulk", "machine"):
            body += f"\n\n{chance.choice(wardrobe.teams)}"
        else:
            body += f"\n\n{chance.choice(wardrobe.closings)},\n{chance.choice(wardrobe.names)}"
    if chance.random() < habits.footer:
        body += f"\n\n{chance.choice(_footers(style, wardrobe))}"
    return body


def _footers(style: str, wardrobe: Wardrobe) -> Sequence[str]:
    return {
        "bulk": wardrobe.bulk_footers,
        "machine": wardrobe.machine_footers,
        "pitch": wardrobe.pitch_footers,
    }.get(style, wardrobe.person_footers)


def _slipped(subject: str, body: str, chance: random.Random) -> tuple[str, str]:
    """Return the words as somebody in a hurry types them."""
    slip = chance.randrange(4)
    if slip == 0:
        return subject.lower(), body.lower()
    if slip == 1:
        return subject, body.replace("?", chance.choice(["", "??", "?!"]))
    if slip == 2:
        return _bare(subject), _bare(body)
    at = chance.randrange(1, max(2, len(body) - 2))
    return subject, body[: at - 1] + body[at : at + 1] + body[at - 1 : at] + body[at + 1 :]


def _bare(text: str) -> str:
    return normalize("NFKD", text).encode("ascii", "ignore").decode()
