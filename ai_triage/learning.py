"""What a mail's prompt is given to learn from: reviewed mails like it, and what staff know."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypedDict, TypeVar

from django.db.models import OuterRef, Subquery
from django.db.models.functions import Left

from ai_triage import linear
from ai_triage.features import features
from ai_triage.judging import opinion
from ai_triage.kinds import EmailType
from ai_triage.language import language_of
from ai_triage.models import Feedback, Status, TriageResult
from ai_triage.models import Snippet as SnippetRow
from ai_triage.own_words import own_words
from ai_triage.providers.base import Example, Snippet
from ai_triage.similarity import body_hash, fingerprint, overlap
from tenants.models import Mode, Tenant

MOST_REVIEWED = 500
MOST_SNIPPETS = 1000
LEAST_ALIKE = 0.1
LONGEST_BODY = 4000
KEPT = 4000

_LAST_SAID = Subquery(
    Feedback.objects.filter(result=OuterRef("pk")).order_by("-pk").values("pk")[:1]
)

T = TypeVar("T")
E = TypeVar("E")
Key = tuple[int, Hashable]


class Use(TypedDict):
    """One use as a result shows it."""

    id: str
    likeness: float


@dataclass(frozen=True)
class Found(Generic[T]):
    """Something like the mail; ``id`` is the example's ``email_id`` or the snippet's own id."""

    id: str
    likeness: float
    content: T

    @property
    def use(self) -> Use:
        return Use(id=self.id, likeness=round(self.likeness, 2))


@dataclass(frozen=True)
class Reviewed:
    """What is remembered of a reviewed mail to tell whether it is like another; no text."""

    bits: int
    email_types: frozenset[str]
    language: str
    same: tuple[str, str]


class Memory(Generic[E]):
    """What a process remembers of rows by key and state; the oldest go first."""

    def __init__(self, most: int = KEPT) -> None:
        self._entries: dict[Key, E] = {}
        self._most = most

    def of(self, keys: Sequence[Key], load: Callable[[list[Key]], Mapping[Key, E]]) -> dict[Key, E]:
        """Return the entries of ``keys``, loading those that aren't known; some may be gone."""
        known = {key: self._entries[key] for key in keys if key in self._entries}
        if missing := [key for key in keys if key not in known]:
            loaded = load(missing)
            self._entries |= loaded
            known |= loaded
            for key in list(self._entries)[: max(0, len(self._entries) - self._most)]:
                self._entries.pop(key, None)
        return known


_reviewed: Memory[Reviewed] = Memory()
_snippets: Memory[int] = Memory()


def examples_for(
    tenant: Tenant,
    *,
    subject: str,
    body: str,
    from_address: str,
    mode: str = Mode.LIVE,
    most: int = 4,
) -> list[Found[Example]]:
    """Return the tenant's reviewed mails most like this one, with what people decided.

    They are of its type, as the offline model sees it or a person said, and of its language,
    among the last 500 that were reviewed; never the mail itself. Test mail teaches test mail
    alone.
    """
    body = body[:LONGEST_BODY]
    guessed = _guessed_type(from_address, subject, body)
    mail = _remember(from_address, subject, body, email_types={guessed})
    rows = TriageResult.objects.for_tenant(tenant).filter(
        mode__in={Mode.LIVE, Mode(mode)}, status=Status.COMPLETED, reviewed_at__isnull=False
    )
    latest = rows.order_by("-reviewed_at").annotate(said=_LAST_SAID)[:MOST_REVIEWED]
    states = latest.values_list("pk", "reviewed_at", "said")
    known = _reviewed.of([(pk, (at, said)) for pk, at, said in states if said], _load_reviewed)
    likeness = _nearest(
        mail.bits,
        ((key, one.bits) for key, one in known.items() if _may_teach(one, mail)),
        most=most,
    )
    found = rows.filter(pk__in=likeness).prefetch_related("feedback")
    return _ordered(Found(row.email_id, likeness[row.pk], _example(row)) for row in found)


def snippets_for(
    tenant: Tenant, *, subject: str, body: str, on: date, most: int = 4
) -> list[Found[Snippet]]:
    """Return what staff know that is most like this mail's words and holds on that day."""
    rows = SnippetRow.objects.for_tenant(tenant).valid(on=on)
    keys = list(rows.order_by("-updated_at").values_list("pk", "updated_at")[:MOST_SNIPPETS])
    known = _snippets.of(keys, _load_snippets)
    bits = fingerprint(f"{subject}\n{own_words(body[:LONGEST_BODY])}")
    likeness = _nearest(bits, known.items(), most=most)
    return _ordered(
        Found(str(row.public_id), likeness[row.pk], Snippet(row.question, row.answer))
        for row in rows.filter(pk__in=likeness)
    )


def _nearest(bits: int, known: Iterable[tuple[Key, int]], *, most: int) -> dict[int, float]:
    """Return the likeness of the most alike by their rows' keys."""
    ranked = sorted(((overlap(bits, other), pk) for (pk, _), other in known), reverse=True)
    return {pk: likeness for likeness, pk in ranked[:most] if likeness >= LEAST_ALIKE}


def _ordered(found: Iterable[Found[T]]) -> list[Found[T]]:
    return sorted(found, key=lambda one: -one.likeness)


def _may_teach(one: Reviewed, mail: Reviewed) -> bool:
    """A corrected mail teaches those of the type it was taken for as well."""
    return (
        one.language == mail.language
        and bool(one.email_types & mail.email_types)
        and one.same != mail.same
    )


def _remember(from_address: str, subject: str, body: str, *, email_types: Set[str]) -> Reviewed:
    text = f"{subject}\n{own_words(body)}"
    return Reviewed(
        bits=fingerprint(text),
        email_types=frozenset(email_types),
        language=language_of(text, from_address=from_address)[:2],
        same=(from_address.casefold(), body_hash(text)),
    )


def _guessed_type(from_address: str, subject: str, body: str) -> str:
    found = features(from_address=from_address, subject=subject, body=body)
    return linear.load().likeliest(linear.TYPE, list(EmailType), found)


def _load_reviewed(keys: list[Key]) -> dict[Key, Reviewed]:
    rows = (
        TriageResult.objects.filter(pk__in=[pk for pk, _ in keys])
        .prefetch_related("feedback")
        .annotate(start=Left("body", LONGEST_BODY))
        .only("from_address", "subject", "decision", "email_type", "urgency")
    )
    by_pk = {row.pk: row for row in rows}
    return {key: _of_row(by_pk[key[0]]) for key in keys if key[0] in by_pk}


def _of_row(row: Any) -> Reviewed:
    """``row.start`` is annotated: the body's beginning."""
    final = opinion(row, *row.feedback.all())
    return _remember(
        row.from_address, row.subject, row.start, email_types={row.email_type, final.email_type}
    )


def _load_snippets(keys: list[Key]) -> dict[Key, int]:
    rows = SnippetRow.objects.filter(pk__in=[pk for pk, _ in keys])
    return {(row.pk, row.updated_at): fingerprint(row.question) for row in rows}


def _example(row: TriageResult) -> Example:
    """Read anew, so that what was erased or corrected meanwhile is not repeated."""
    final = opinion(row, *row.feedback.all())
    return Example(
        subject=row.subject,
        body=own_words(row.body)[:LONGEST_BODY],
        decision=final.decision,
        email_type=final.email_type,
        urgency=final.urgency,
    )
