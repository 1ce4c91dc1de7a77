"""``manage.py triage_eval FILE.jsonl``: a provider and prompt measured on labelled mail."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ai_triage.evaluation.asking import Asker
from ai_triage.evaluation.mails import OWN_SET, LabelledMail, read_mails
from ai_triage.evaluation.runs import evaluate, inject
from ai_triage.evaluation.text import injection_lines, run_lines
from ai_triage.kinds import Tone
from ai_triage.models import EvaluationRun, PromptVersion, TriageSettings
from ai_triage.prompt_text import DEFAULT_CRITERIA, DEFAULT_PROMPT
from ai_triage.prompting import company_of, current
from ai_triage.providers.base import Company
from ai_triage.providers.registry import provider_named
from tenants.models import Tenant


def positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 100_000):
        raise ArgumentTypeError("a whole number from 1 on")
    return int(text)


class Command(BaseCommand):
    help = (
        "Measure a provider and prompt on labelled mail: prints the figures and keeps them. "
        "Ends with 1 where the file or an option is wrong or the provider judged no mail at all."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", nargs="?", type=Path, default=OWN_SET, help="left out: the mail that ships"
        )
        parser.add_argument(
            "--prompt", help="NAME@VERSION, or NAME for its latest; left out: the active one"
        )
        parser.add_argument(
            "--tenant", help="whose prompt and company; left out: the product's own"
        )
        parser.add_argument(
            "--provider",
            choices=["rules", "gemini", "openai"],
            default=settings.TRIAGE_PROVIDER,
            help="left out: TRIAGE_PROVIDER (%(default)s)",
        )
        parser.add_argument("--at-once", type=positive, default=8, help="mails asked at once (8)")
        parser.add_argument(
            "--injections",
            action="store_true",
            help="ask again with each payload of an injection added, and report what it changed",
        )
        parser.add_argument(
            "--limit", type=positive, default=20, help="mails that payloads are added to (20)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        mails = mails_of(options["file"])
        tenant = tenant_of(options)
        prompt = prompt_of(options["prompt"], tenant)
        asker = Asker(
            provider=provider_named(options["provider"]),
            company=company_of(tenant) if tenant else Company("SendCraft"),
            system_prompt=prompt.system_prompt if prompt else DEFAULT_PROMPT,
            criteria=prompt.criteria if prompt else DEFAULT_CRITERIA,
            tone=tone_of(tenant),
            at_once=options["at_once"],
        )
        measured = evaluate(mails, asker)
        if not measured.judged:
            raise CommandError(f"No mail was judged: {measured.failure}")
        run = EvaluationRun.objects.create(
            tenant=tenant,
            file_name=options["file"].name[:255],
            provider=options["provider"],
            model_version=measured.model_version,
            prompt=prompt,
            mails=len(mails),
            figures=measured.figures,
        )
        self.stdout.write(f"{run.file_name}, {run.provider} ({run.model_version}), {prompt or '-'}")
        self.stdout.write("\n".join(run_lines(run.figures)))
        if options["injections"]:
            run.figures["injections"] = inject(mails, asker, limit=options["limit"])
            run.save(update_fields=["figures"])
            self.stdout.write("\n" + "\n".join(injection_lines(run.figures["injections"])))
        self.stdout.write(f"kept as evaluation {run.pk}")


def mails_of(path: Path) -> list[LabelledMail]:
    try:
        mails = read_mails(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from error
    if not mails:
        raise CommandError(f"{path}: it holds no mail.")
    return mails


def tenant_of(options: dict[str, Any]) -> Tenant | None:
    """Return the tenant, where a prompt is named the only one; None: the product's own texts."""
    if slug := options["tenant"]:
        tenant = Tenant.objects.filter(slug=slug).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {slug}.")
        return tenant
    if options["prompt"] is None:
        return None
    tenants = list(Tenant.objects.all()[:2])
    if len(tenants) != 1:
        raise CommandError("Whose prompt? Name the tenant: --tenant SLUG.")
    return tenants[0]


def tone_of(tenant: Tenant | None) -> Tone:
    found = TriageSettings.objects.filter(tenant=tenant).first() if tenant else None
    return Tone(found.tone) if found else Tone.PROFESSIONAL


def prompt_of(reference: str | None, tenant: Tenant | None) -> PromptVersion | None:
    """Return what ``NAME@VERSION`` names, the tenant's current version where it is left out."""
    if tenant is None:
        return None
    version = current(tenant)
    if reference is None:
        return version
    name, _at, number = reference.partition("@")
    versions = PromptVersion.objects.select_related("prompt").filter(
        prompt__tenant=tenant, prompt__name=name
    )
    if number:
        versions = versions.filter(number=int(number) if number.isdecimal() else 0)
    found = versions.order_by("-number").first()
    if found is None:
        raise CommandError(f"The tenant {tenant.slug} has no prompt {reference}.")
    return found
