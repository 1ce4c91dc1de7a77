"""Medians of the runs, ratios to the peer's best, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.measure import Run

PEER = "django-post-office"
RESULTS = Path(__file__).with_name("results")


def medians(runs: Iterable[Run]) -> list[Run]:
    """Return one run per measure and party: the medians, the worst of losses, and all notes."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.measure, run.party), []).append(run)
    return [_median(group) for group in groups.values()]


def _median(group: Sequence[Run]) -> Run:
    chosen = {}
    for name in group[0].figures:
        middle = max if name in ("lost", "twice", "refused") else median
        chosen[name] = middle(run.figures[name] for run in group)
    notes = dict.fromkeys(run.note for run in group if run.note)
    return Run(group[0].measure, group[0].party, chosen, "; ".join(notes))


def with_ratios(rows: Sequence[Run]) -> list[Run]:
    """Add ``times_peer``: how many times the peer's best of the same measure and database."""
    return [
        Run(row.measure, row.party, {**row.figures, "times_peer": ratio}, row.note)
        if (ratio := _ratio(row, rows))
        else row
        for row in rows
    ]


def _ratio(row: Run, rows: Sequence[Run]) -> float:
    if not row.party.startswith("SendCraft"):
        return 0.0
    runtime = row.party.partition(", ")[2]
    peers = [
        other.figures["per_second"]
        for other in rows
        if other.measure == row.measure and other.party.startswith(f"{PEER}, {runtime}")
    ]
    return row.figures["per_second"] / max(peers) if peers else 0.0


def table(rows: Sequence[Run]) -> str:
    """Return the rows as text, a heading for each measure."""
    lines: list[str] = []
    measure = ""
    for row in rows:
        if row.measure != measure:
            measure = row.measure
            lines += ["", measure]
        lines.append(f"  {row.party:<52} {figures(row)}")
    return "\n".join(lines)


def figures(row: Run) -> str:
    """Return the figures with their names, and the note."""
    named = "  ".join(f"{name} {shown(value)}" for name, value in row.figures.items())
    return f"{named}  ({row.note})" if row.note else named


def shown(value: float) -> str:
    """Return three digits or more, none of them behind a point where they say nothing."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def write(runs: Sequence[Run], *, rows: Sequence[Run], skipped: Sequence[str]) -> Path:
    """Write every run and the medians, and return the file."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    file = RESULTS / f"{now:%Y-%m-%dT%H%M%S}.json"
    result = {
        "at": now.isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "load_at_end": os.getloadavg()[0],
        "skipped": list(skipped),
        "medians": [asdict(row) for row in rows],
        "runs": [asdict(run) for run in runs],
    }
    file.write_text(json.dumps(result, indent=2) + "\n")
    return file
