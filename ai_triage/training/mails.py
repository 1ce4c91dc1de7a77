"""Training mails, grown from templates: parts are drawn anew for each, and dressed as mail is.

A template file opens with ``$word = one|other`` lines. Then a heading ``@ topic decision type
urgency`` stands over the mails of one kind, one a line, ``subject :: body``: ``\\n`` breaks the
line, ``{one|other}`` draws a part and ``$word`` one of the words above.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ai_triage.training import dress

FOLDER = Path(__file__).with_name("templates")

_INNERMOST = re.compile(r"\{([^{}]*)\}")
_WORD = re.compile(r"\$([a-z]+)")
_PERSONAL_TOPICS = frozenset(
    ["feedback", "thanks", "decline", "note", "supplier", "thanks-only", "no-longer", "fyi-forward"]
)

Words = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Template:
    """One line of a template file; ``topic`` and ``kind`` say what its neighbours are about."""

    topic: str
    language: str
    decision: str
    email_type: str
    urgency: str
    subject: str
    body: str

    @property
    def style(self) -> str:
        """Return the one of ``dress.HABITS`` that mail of this kind has."""
        if self.email_type in ("question", "complaint", "request"):
            return "person"
        if self.email_type == "spam":
            return "pitch"
        if self.email_type == "newsletter":
            return "bulk"
        if self.topic in ("auto-away", "auto-ooo"):
            return "away"
        personal = self.decision == "respond" or self.topic in _PERSONAL_TOPICS
        return "person" if personal else "machine"


@dataclass(frozen=True)
class Sample:
    """One mail to learn from; those of one ``group`` share a template, and no fold splits them."""

    group: str
    language: str
    decision: str
    email_type: str
    urgency: str
    from_address: str
    subject: str
    body: str


def samples(*, per_template: int, seed: int) -> list[Sample]:
    """Return ``per_template`` different mails of each template, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  not a secret
    grown: dict[Sample, None] = {}
    for path in sorted(FOLDER.glob("*.txt")):
        words, templates = read(path)
        for template in templates:
            for _ in range(per_template):
                grown[_grow(template, templates, words, chance)] = None
    return list(grown)


def read(path: Path) -> tuple[Words, list[Template]]:
    """Return the words and the templates of one file, named after its language."""
    words: dict[str, Sequence[str]] = {}
    templates: list[Template] = []
    heading: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("$") and " = " in line and not heading:
            name, _, choices = line[1:].partition(" = ")
            words[name] = choices.split("|")
        elif line.startswith("@ "):
            heading = line[2:].split()
        elif line.strip():
            topic, decision, email_type, urgency = heading
            subject, _, body = line.partition(":: ")
            body = body.replace("\\n", "\n")
            templates.append(
                Template(topic, path.stem, decision, email_type, urgency, subject.strip(), body)
            )
    return words, templates


def _grow(
    template: Template, templates: Sequence[Template], words: Words, chance: random.Random
) -> Sample:
    body = _expand(template.body, words, chance)
    if template.decision == "respond" and chance.random() < 0.12:
        body += "\n\n" + _expand(_neighbour(template, templates, chance).body, words, chance)
    subject, body = dress.dressed(
        _expand(template.subject, words, chance),
        body,
        style=template.style,
        language=template.language,
        chance=chance,
    )
    return Sample(
        group=f"{template.language} {template.subject} {template.body}",
        language=template.language,
        decision=template.decision,
        email_type=template.email_type,
        urgency=template.urgency,
        from_address=dress.sender(template.style, template.language, chance),
        subject=subject,
        body=body,
    )


def _neighbour(
    template: Template, templates: Sequence[Template], chance: random.Random
) -> Template:
    """Return a mail of the same kind, so that some mails ask for two things."""
    kind = (template.topic, template.decision, template.email_type, template.urgency)
    return chance.choice(
        [t for t in templates if (t.topic, t.decision, t.email_type, t.urgency) == kind]
    )


def _expand(text: str, words: Words, chance: random.Random) -> str:
    while _INNERMOST.search(text):
        text = _INNERMOST.sub(lambda match: chance.choice(match[1].split("|")), text)
    return _WORD.sub(lambda match: chance.choice(words[match[1]]), text).strip()
