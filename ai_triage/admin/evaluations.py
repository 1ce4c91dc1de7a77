"""What ``triage_eval`` measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ai_triage.models import EvaluationRun
from ai_triage.models.choices import DECISIONS, EMAIL_TYPES
from tenants.admin_base import TenantAdmin

SHARES = {
    "accuracy": _("right about respond or ignore"),
    "precision": _("precision of respond"),
    "recall": _("recall of respond"),
    "urgency_recall": _("recall of urgent mail"),
}
PLAIN = {"macro_f1": _("macro-F1 of types"), "calibration_error": _("calibration error")}
TABLE = "ai_triage/admin/table.html"


@admin.register(EvaluationRun)
class EvaluationRunAdmin(TenantAdmin):
    """Runs of a tenant's prompt for its staff, the others for superusers."""

    change_role = None
    list_display = [
        "created_at", "file_name", "provider", "model_version", "prompt", "mails", "accuracy",
        "tenant",
    ]  # fmt: skip
    list_filter = ["provider", "tenant"]
    list_select_related = ["tenant", "prompt__prompt"]
    show_full_result_count = False
    fields = [
        "created_at", "tenant", "file_name", "provider", "model_version", "prompt", "mails",
        "measures", "decisions", "types", "injections",
    ]  # fmt: skip
    readonly_fields = fields

    @admin.display(description=_("right"))
    def accuracy(self, run: EvaluationRun) -> str:
        return shown(run.figures["accuracy"])

    @admin.display(description=_("figures"))
    def measures(self, run: EvaluationRun) -> SafeString:
        figures = run.figures
        rows = [[title, shown(figures[name])] for name, title in SHARES.items()]
        rows += [[title, f"{figures[name]:.3f}"] for name, title in PLAIN.items()]
        rows += [[name or "–", shown(share)] for name, share in figures["languages"].items()]
        cost = "–" if figures["cost"] is None else f"{figures['cost']:.6f} US$"
        failed = [f"{code}: {count}" for code, count in figures["errors"].items()]
        rows += [
            [_("cost"), cost],
            [_("input tokens"), figures["input_tokens"]],
            [_("output tokens"), figures["output_tokens"]],
            [_("not judged"), ", ".join(failed) or "–"],
        ]
        return render_to_string(TABLE, {"rows": rows})

    @admin.display(description=_("decisions"))
    def decisions(self, run: EvaluationRun) -> SafeString:
        return _confusion(run.figures["decisions"], DECISIONS)

    @admin.display(description=_("types"))
    def types(self, run: EvaluationRun) -> SafeString:
        return _confusion(run.figures["types"], EMAIL_TYPES)

    @admin.display(description=_("injections"))
    def injections(self, run: EvaluationRun) -> SafeString | str:
        found = run.figures.get("injections")
        if not found:
            return "–"
        rows = [
            [one["payload"], f"{one['flips']} / {one['of']}", one["decisions"]]
            for one in found["payloads"]
        ]
        head = [_("payload"), _("verdicts changed"), _("decisions changed")]
        total = [_("all"), shown(found["flips"]), shown(found["decisions"])]
        return render_to_string(TABLE, {"head": head, "rows": [total, *rows]})


def shown(share: Mapping[str, Any]) -> str:
    """Return a share with its interval, in no language."""
    low, high = share["low"], share["high"]
    return f"{share['value']:.3f} ({low:.3f} – {high:.3f}; {share['part']} / {share['of']})"


def _confusion(
    counts: Mapping[str, Mapping[str, int]], choices: Sequence[tuple[str, Any]]
) -> SafeString:
    """Return a table: what is right down, what was said across."""
    across = [(name, label) for name, label in choices if _was_said(name, counts)]
    head = [_("right ↓ said →"), *(label for _name, label in across)]
    rows = list(_rows(counts, choices, [name for name, _label in across]))
    return render_to_string(TABLE, {"head": head, "rows": rows})


def _was_said(name: str, counts: Mapping[str, Mapping[str, int]]) -> bool:
    return any(row.get(name) for row in counts.values())


def _rows(
    counts: Mapping[str, Mapping[str, int]], choices: Sequence[tuple[str, Any]], across: list[str]
) -> Iterator[list[Any]]:
    for name, label in choices:
        if row := counts.get(name):
            yield [label, *(row.get(said, 0) for said in across)]
