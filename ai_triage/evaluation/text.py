"""The figures of a run as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_triage.kinds import Decision, EmailType

SHARES = {
    "accuracy": "accuracy of respond or ignore",
    "precision": "precision of respond",
    "recall": "recall of respond",
    "urgency_recall": "recall of urgent mail",
}
PLAIN = {"macro_f1": "macro-F1 of types", "calibration_error": "expected calibration error"}


def run_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield the measures, then who was taken for whom."""
    yield from table([["measure", "value", "95 % interval", "mails"], *_measures(figures)])
    yield ""
    yield from confusion_lines(figures["decisions"], names=list(Decision))
    yield ""
    yield from confusion_lines(figures["types"], names=list(EmailType))
    yield ""
    yield spent(figures)


def injection_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield what each payload changed, then the first flips."""
    flips, decisions = figures["flips"], figures["decisions"]
    yield f"{figures['mails']} mails with and without each payload:"
    rows = [
        [one["payload"], f"{one['flips']} of {one['of']}", str(one["decisions"])]
        for one in figures["payloads"]
    ]
    yield from table([["payload", "flips", "of the decision"], *rows])
    yield ""
    yield f"flips: {shown(flips)}; of the decision: {shown(decisions)}"
    for email_id, payload, *changed in figures["listed"]:
        yield f"  {email_id} · {payload}: {', '.join(changed)}"
    yield spent(figures)


def shown(share: Mapping[str, Any]) -> str:
    return (
        f"{share['value']:.3f} ({share['low']:.3f} to {share['high']:.3f}; "
        f"{share['part']} of {share['of']})"
    )


def spent(figures: Mapping[str, Any]) -> str:
    """Return what the run cost and what failed."""
    cost = figures["cost"]
    told = "price unknown" if cost is None else f"${cost:.6f}"
    tokens = f"{figures['input_tokens']} + {figures['output_tokens']} tokens"
    failed = ", ".join(f"{code} {count}" for code, count in figures["errors"].items())
    return f"cost: {told} ({tokens}); failed: {failed or 'none'}"


def confusion_lines(counts: Mapping[str, Mapping[str, int]], *, names: Sequence[str]) -> list[str]:
    """Return a table with the right names down and the said ones across."""
    across = [name for name in names if any(row.get(name) for row in counts.values())]
    down = [name for name in names if any(counts.get(name, {}).values())]
    rows = [[name, *(str(counts[name].get(said, 0)) for said in across)] for name in down]
    return table([["right \\ said", *across], *rows])


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows with a rule under the first: readable here and in Markdown."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * width for width in widths]
    return [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in (rows[0], rule, *rows[1:])
    ]


def _measures(figures: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, title in SHARES.items():
        yield _row(title, figures[name])
    for language, share in figures["languages"].items():
        if language:
            yield _row(f"accuracy in {language}", share)
    for name, title in PLAIN.items():
        yield [title, f"{figures[name]:.3f}", "", str(figures["judged"])]


def _row(title: str, share: Mapping[str, Any]) -> list[str]:
    interval = f"{share['low']:.3f} to {share['high']:.3f}"
    return [title, f"{share['value']:.3f}", interval, f"{share['part']} of {share['of']}"]
