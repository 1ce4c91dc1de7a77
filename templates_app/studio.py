"""What a template would look like while it is still being written; nothing is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from common.errors import Refused, RefusedTogether
from common.text import has_lone_surrogate
from templates_app import checks, samples
from templates_app.compilation import SUPPLIED, compile_template
from templates_app.language import read
from templates_app.models import EmailTemplate, TemplateVersion
from templates_app.rendering import CompiledTemplate, Rendered, missing_variables, render

MOST_SAMPLE = 100_000
MOST_SHOWN = 1_500_000
LINE = re.compile(r"line (\d+): ")
LANGUAGE_FIELDS = ("subject", "html_content", "text_content")


@dataclass(frozen=True)
class Draft:
    """A template as entered; ``sample`` is JSON text, empty where values are to be made."""

    subject: str = ""
    html_content: str = ""
    source_format: str = "html"
    text_content: str = ""
    sample: str = ""
    template_type: str = ""

    @classmethod
    def of(cls, template: EmailTemplate, entered: Mapping[str, str]) -> Draft:
        """Return ``template`` with what was ``entered`` over it."""
        stored = json.dumps(template.sample_data) if template.sample_data else ""
        values = {"sample": entered.get("sample_data", stored)}
        for name in (*LANGUAGE_FIELDS, "source_format", "template_type"):
            values[name] = entered.get(name, getattr(template, name))
        return cls(**{name: value.replace("\r\n", "\n") for name, value in values.items()})

    @property
    def is_empty(self) -> bool:
        return not self.html_content.strip() and not self.text_content.strip()


@dataclass(frozen=True)
class Problem:
    """Why a draft can't be rendered: the field, its line where known, and the reason."""

    field: str
    text: str
    line: int | None = None

    @classmethod
    def of(cls, refusal: Refused) -> Problem:
        found = LINE.match(refusal.detail)
        text = refusal.detail[found.end() :] if found else refusal.detail
        attr = refusal.attr or "html_content"
        name = "sample_data" if attr.startswith("variables") else attr
        return cls(field=name, text=text, line=int(found[1]) if found else None)


@dataclass(frozen=True)
class Shown:
    """A draft rendered, or the problems that it has; ``sample`` are the values it was shown with.

    ``missing`` are the variables that it needs and ``sample`` lacks.
    """

    problems: tuple[Problem, ...] = ()
    rendered: Rendered = field(default_factory=lambda: Rendered(subject="", html="", text=""))
    variables: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    sample: dict[str, object] = field(default_factory=dict)
    completed: dict[str, object] = field(default_factory=dict)
    findings: tuple[checks.Finding, ...] = ()


def show(draft: Draft, *, language: str) -> Shown:
    """Return ``draft`` as a mail in the tenant's ``language``, or all that stands against it."""
    problems = list(_problems(draft))
    sample: dict[str, object] = {}
    try:
        sample = read_sample(draft.sample)
    except Refused as refusal:
        problems.append(Problem.of(refusal))
    if problems or draft.is_empty:
        return Shown(problems=tuple(problems), sample=sample)
    try:
        return _shown(draft, _compiled(draft), sample, language=language)
    except RefusedTogether as error:
        return Shown(problems=tuple(map(Problem.of, error.refusals)), sample=sample)
    except Refused as refusal:
        return Shown(problems=(Problem.of(refusal),), sample=sample)


def read_sample(text: str) -> dict[str, object]:
    """Return the sample data that ``text`` is the JSON of; nothing where it is empty.

    Raises:
        Refused: with the line where it is known, for the field ``sample_data``.
    """
    if not text.strip():
        return {}
    if len(text) > MOST_SAMPLE:
        detail = _("Sample data has %(most)d characters at most.") % {"most": MOST_SAMPLE}
        raise Refused(detail, attr="sample_data")
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
        is_text = not has_lone_surrogate(found)
    except json.JSONDecodeError as error:
        detail = f"line {error.lineno}: {error.msg}"
        raise Refused(detail, attr="sample_data") from error
    except (ValueError, RecursionError) as error:
        raise Refused(_("This is no JSON."), attr="sample_data") from error
    if not is_text:
        detail = _("Half of a surrogate pair is no character.")
        raise Refused(detail, attr="sample_data")
    if not isinstance(found, dict):
        detail = _('Sample data is an object: {"name": "value"}.')
        raise Refused(detail, attr="sample_data")
    return found


def written(sample: Mapping[str, object]) -> str:
    """Return sample data as text for people; half a character, once stored, as its escape."""
    is_ascii = has_lone_surrogate(sample)
    return json.dumps(sample, ensure_ascii=is_ascii, indent=2) if sample else ""


def sample_of(template: EmailTemplate, version: TemplateVersion | None = None) -> dict[str, object]:
    """Return the values to show ``template`` with, or an older ``version`` of it.

    They are its own, with what only the other version reads, or made from the variables.
    """
    stored: dict[str, object] = template.sample_data
    shown = version or template
    if stored and version is None:
        return stored
    return samples.completed(stored, _made(shown.variables, shown))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _problems(draft: Draft) -> Iterator[Problem]:
    """Yield the first problem of each text, so that all texts can be mended at once."""
    for name in LANGUAGE_FIELDS:
        try:
            read(getattr(draft, name), attr=name)
        except Refused as refusal:
            yield Problem.of(refusal)


def _compiled(draft: Draft) -> CompiledTemplate:
    return compile_template(
        subject=draft.subject,
        html_content=draft.html_content,
        source_format="mjml" if draft.source_format == "mjml" else "html",
        text_content=draft.text_content,
    )


def _made(paths: Any, source: Draft | EmailTemplate | TemplateVersion) -> dict[str, object]:
    return samples.sample_variables(paths, [getattr(source, name) for name in LANGUAGE_FIELDS])


def _shown(
    draft: Draft, compiled: CompiledTemplate, given: dict[str, object], *, language: str
) -> Shown:
    made = _made(compiled.variables, draft)
    sample = given or made
    values = {"unsubscribe_url": f"{settings.PUBLIC_URL}/u/preview", **sample}
    rendered = render(compiled, variables=values, language=language, allow_missing=True)
    if len(rendered.html) > MOST_SHOWN:
        detail = _("The result is too large to be shown.")
        raise Refused(detail, attr="html_content")
    return Shown(
        rendered=rendered,
        variables=tuple(name for name in compiled.variables if name not in SUPPLIED),
        missing=tuple(missing_variables(compiled, values)),
        sample=sample,
        completed=samples.completed(sample, made),
        findings=tuple(checks.findings(_mail(draft, rendered, compiled))),
    )


def _mail(draft: Draft, rendered: Rendered, compiled: CompiledTemplate) -> checks.Mail:
    return checks.Mail(
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        source=draft.html_content,
        template_type=draft.template_type,
        reads=compiled.variables,
        own_url=settings.PUBLIC_URL,
    )
