"""Prompts of a tenant: written as versions that never change, one active, tried A against B."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.utils import timezone

from ai_triage.models import (
    Experiment,
    Prompt,
    PromptQuerySet,
    PromptVersion,
    TriageResult,
    TriageSettings,
)
from ai_triage.prompt_text import DEFAULT_CRITERIA, DEFAULT_PROMPT
from ai_triage.providers.base import Company
from common.errors import Conflict, Refused
from common.text import check_text
from tenants.models import Tenant

DEFAULT = "default"
RESERVED = ("current",)
LONGEST_PROMPT = 20_000
MOST_RULES = 50
LONGEST_RULE = 500
# C0 without tab and line feed, DEL, C1 and half characters.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


_NOTHING = PromptVersion(system_prompt="", respond_to=[], ignore=[])
_STORED = PromptVersion(system_prompt="stands for what was checked before")


@dataclass(frozen=True)
class Changes:
    """What is given of a prompt; None stays as it is, a new prompt's criteria are none then."""

    name: str | None = None
    system_prompt: str | None = None
    respond_to: Sequence[str] | None = None
    ignore: Sequence[str] | None = None

    @property
    def has_content(self) -> bool:
        """Whether they make a version; a new name alone makes none."""
        return (self.system_prompt, self.respond_to, self.ignore) != (None, None, None)


# Which prompt judges


def version_for(tenant: Tenant, sender: str) -> tuple[PromptVersion, Experiment | None]:
    """Return the version that judges this sender's mail, and the trial that chose it.

    That is the active prompt's latest or, while a trial runs, its A or B, always the same one
    for the same address.
    """
    experiment = running_trial(tenant)
    if experiment:
        return (experiment.b if _is_in_b(experiment, sender) else experiment.a), experiment
    return current(tenant), None


def running_trial(tenant: Tenant) -> Experiment | None:
    """Return the trial whose versions judge the tenant's mail now."""
    trials = Experiment.objects.select_related("a__prompt", "b__prompt")
    return trials.filter(running_for=tenant).first()


def current(tenant: Tenant) -> PromptVersion:
    """Return the latest version of the active prompt, the first time the default's."""
    versions = PromptVersion.objects.select_related("prompt").filter(
        prompt__active_for=tenant, number=F("prompt__version")
    )
    return versions.first() or ensure_default(tenant).in_use


def company_of(tenant: Tenant) -> Company:
    """Return who answers, as the prompt's fields name it."""
    row = TriageSettings.objects.filter(tenant=tenant).first() or TriageSettings()
    row.tenant = tenant
    return company_from(row)


def company_from(settings: TriageSettings) -> Company:
    """Return the company of a tenant's settings."""
    return Company(
        name=settings.company_name or settings.tenant.name,
        sector=settings.sector,
        support_address=settings.support_address,
        signature=settings.signature,
    )


def ensure_default(tenant: Tenant) -> Prompt:
    """Return the tenant's active prompt; where there is none, ``default``, made if need be."""
    return _active(tenant) or _make_default(tenant)


# Writing


def named(prompts: PromptQuerySet, reference: str) -> PromptQuerySet:
    """Return those of this id, or else of this name, whatever its case."""
    try:
        return prompts.filter(public_id=UUID(reference))
    except ValueError:
        return prompts.filter(name__iexact=reference)


def create(tenant: Tenant, given: Changes, *, author: str) -> Prompt:
    """Store an inactive prompt with its first version.

    Raises:
        Refused: the name is taken or not usable, or a text is empty, too long or not printable.
    """
    ensure_default(tenant)  # its name is taken before anybody can take it
    check(tenant, given)
    content = _content(given, _NOTHING)
    try:
        with transaction.atomic():
            prompt = Prompt.objects.create(tenant=tenant, name=given.name or "", created_by=author)
            PromptVersion.objects.create(prompt=prompt, number=1, author=author, **content)
    except IntegrityError as error:  # somebody took the name at the same moment
        raise _taken() from error
    return prompt


def change(prompt: Prompt, changes: Changes, *, author: str) -> PromptVersion:
    """Store the changes as a new version, in use at once, and return it.

    Whoever changes at the same moment gets the next number, made from this one. A new name
    alone makes no version.

    Raises:
        Refused: as :func:`create`.
        Conflict: the prompt was deleted meanwhile.
    """
    check(prompt.tenant, changes, prompt=prompt)
    try:
        with transaction.atomic():
            return _store(prompt, changes, author=author)
    except IntegrityError as error:
        raise _taken() from error


def check(tenant: Tenant, given: Changes, *, prompt: Prompt | None = None) -> None:
    """Refuse what can't be stored as a new prompt, or over ``prompt``.

    Raises:
        Refused: as :func:`create`.
    """
    if prompt is None or given.name is not None:
        _check_name(given.name or "", tenant=tenant, own=prompt)
    _content(given, _STORED if prompt else _NOTHING)


def restore(version: PromptVersion, *, author: str) -> PromptVersion:
    """Make a new version with the content of an old one."""
    content = Changes(
        system_prompt=version.system_prompt, respond_to=version.respond_to, ignore=version.ignore
    )
    return change(version.prompt, content, author=author)


def activate(prompt: Prompt) -> None:
    """Judge the tenant's mail by this prompt from now on, and by no other.

    Raises:
        Conflict: the prompt was deleted meanwhile.
    """
    with transaction.atomic():
        _lock(prompt.tenant)
        mine = Prompt.objects.filter(tenant_id=prompt.tenant_id)
        mine.exclude(pk=prompt.pk).exclude(active_for=None).update(active_for=None)
        if not mine.filter(pk=prompt.pk).update(active_for=prompt.tenant_id):
            raise _gone()
    prompt.active_for_id = prompt.tenant_id


def delete(prompt: Prompt) -> None:
    """Remove a prompt that never judged a mail.

    Raises:
        Conflict: ``in_use``: it is active, in a trial, or stored results name it.
    """
    in_use = Conflict("This prompt is active or has judged mail; it stays.", code="in_use")
    if is_used(prompt):
        raise in_use
    try:
        prompt.delete()
    except (models.RestrictedError, IntegrityError) as error:  # a trial began meanwhile
        raise in_use from error


def is_used(prompt: Prompt) -> bool:
    """Tell whether it is active, in a trial, or named by stored results."""
    return (
        Prompt.objects.filter(pk=prompt.pk).exclude(active_for=None).exists()
        or Experiment.objects.filter(Q(a__prompt=prompt) | Q(b__prompt=prompt)).exists()
        or TriageResult.objects.filter(prompt__prompt=prompt).exists()
    )


def _is_in_b(experiment: Experiment, sender: str) -> bool:
    """Another trial divides the senders anew, since its key is part of the hash."""
    digest = sha256(f"{experiment.pk}:{sender.strip().casefold()}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 100 < experiment.share_b


def _active(tenant: Tenant) -> Prompt | None:
    return Prompt.objects.filter(active_for=tenant).first()


@transaction.atomic
def _make_default(tenant: Tenant) -> Prompt:
    _lock(tenant)
    if active := _active(tenant):
        return active
    prompt, is_new = Prompt.objects.get_or_create(tenant=tenant, name=DEFAULT)
    if is_new:
        PromptVersion.objects.create(
            prompt=prompt,
            number=1,
            system_prompt=DEFAULT_PROMPT,
            respond_to=list(DEFAULT_CRITERIA.respond_to),
            ignore=list(DEFAULT_CRITERIA.ignore),
        )
    activate(prompt)
    return prompt


def _lock(tenant: Tenant) -> None:
    """Let one at a time choose the active prompt; asked first, or two would block each other."""
    Tenant.objects.select_for_update().get(pk=tenant.pk)


def _store(prompt: Prompt, changes: Changes, *, author: str) -> PromptVersion:
    """The update comes first: its lock makes everybody else wait for the number."""
    columns: dict[str, object] = {"updated_at": timezone.now()}
    if changes.name is not None:
        columns["name"] = changes.name
    if changes.has_content:
        columns["version"] = F("version") + 1
    if not Prompt.objects.filter(pk=prompt.pk).update(**columns):
        raise _gone()
    prompt.refresh_from_db()
    if not changes.has_content:
        return prompt.in_use
    content = _content(changes, prompt.versions.order_by("-number")[0])
    prompt.in_use = PromptVersion.objects.create(
        prompt=prompt, number=prompt.version, author=author, **content
    )
    return prompt.in_use


def _content(changes: Changes, base: PromptVersion) -> dict[str, object]:
    """Return the columns of a version: what is given, checked, over what ``base`` holds."""
    text = base.system_prompt if changes.system_prompt is None else changes.system_prompt
    return {
        "system_prompt": _checked_prompt(text),
        "respond_to": _checked_rules("respond_to", changes.respond_to, base.respond_to),
        "ignore": _checked_rules("ignore", changes.ignore, base.ignore),
    }


def _checked_prompt(text: str) -> str:
    """Fields other than the company's stay as they are: a prompt may show JSON."""
    text = text.replace("\r\n", "\n")
    if not text.strip():
        raise Refused("A prompt needs a text.", code="required", attr="system_prompt")
    if len(text) > LONGEST_PROMPT:
        detail = f"At most {LONGEST_PROMPT} characters."
        raise Refused(detail, code="max_length", attr="system_prompt")
    if found := _FORBIDDEN.search(text):
        detail = f"A control character (U+{ord(found[0]):04X}) is not allowed here."
        raise Refused(detail, attr="system_prompt")
    return text


def _checked_rules(name: str, given: Sequence[str] | None, stored: Sequence[str]) -> list[str]:
    if given is None:
        return list(stored)
    attr = f"decision_criteria.{name}"
    if len(given) > MOST_RULES:
        raise Refused(f"At most {MOST_RULES} criteria.", code="max_length", attr=attr)
    for number, rule in enumerate(given):
        check_text(rule, f"{attr}.{number}")
        if not rule.strip():
            raise Refused("A criterion needs a text.", code="blank", attr=f"{attr}.{number}")
        if len(rule) > LONGEST_RULE:
            detail = f"At most {LONGEST_RULE} characters."
            raise Refused(detail, code="max_length", attr=f"{attr}.{number}")
    return [rule.strip() for rule in given]


def _check_name(name: str, *, tenant: Tenant, own: Prompt | None) -> None:
    """A name leads to its prompt, so it is no id and none of our own paths."""
    if name.lower() in RESERVED or _is_id(name):
        raise Refused("This name is not possible.", attr="name")
    others = Prompt.objects.for_tenant(tenant).filter(name__iexact=name)
    if own is not None:
        others = others.exclude(pk=own.pk)
    if others.exists():
        raise _taken()


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _taken() -> Refused:
    return Refused("Another prompt has this name.", code="unique", attr="name")


def _gone() -> Conflict:
    return Conflict("Somebody deleted this prompt meanwhile; look again.")
