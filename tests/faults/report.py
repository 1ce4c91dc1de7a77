"""What a run of this suite counted, as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

COLUMNS = ("promise", "what was done", "faults", "accepted", "received", "extra copies", "lost")


def as_markdown(rows: Iterable[Mapping[str, object]]) -> str:
    lines = [COLUMNS, ("---", "---", *["---:"] * (len(COLUMNS) - 2))]
    lines += [tuple(str(row[name]) for name in COLUMNS) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write(rows: list[Mapping[str, object]], *, folder: Path) -> None:
    """Leave ``faults.md`` and ``faults.json`` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "faults.md").write_text(as_markdown(rows))
    (folder / "faults.json").write_text(json.dumps(rows, indent=2) + "\n")


def sort_key(row: Mapping[str, object]) -> tuple[int, str]:
    return int(str(row["promise"]).lstrip("P")), str(row["what was done"])
