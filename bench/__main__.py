"""``python -m bench``: measure, print a table, keep the figures as JSON."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import report, servers
from bench.console import GROWS, TOO_SLOW
from bench.measure import Run
from bench.scenarios import MEASURES, USUAL, Bench
from bench.sink import postfix_program

QUICK = {"messages": 500, "crowd": 2_000, "runs": 1, "limit": 15.0}
FULL = {"messages": 5_000, "crowd": 20_000, "runs": 3, "limit": 90.0}


def main() -> None:
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # ends what was started, too
    skipped = [f"MariaDB and Redis: {reason}"] if (reason := servers.missing()) else []
    if not postfix_program():
        skipped.append("smtp-sink of Postfix is not installed: our own, slower receiver is used")
    for line in skipped:
        print(f"skipped: {line}")
    with ExitStack() as stack:
        folder = options.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        place = Path(folder).resolve()
        place.mkdir(exist_ok=True)
        bench = set_up(options, folder=place, stack=stack, has_servers=not reason)
        runs: list[Run] = []
        try:
            for run in measured(bench, names=options.only, runs=options.runs):
                runs.append(run)  # noqa: PERF402  kept when a later one fails
        finally:
            show(runs, skipped=skipped)
    sys.exit(complaint(report.medians(runs)))


def show(runs: Sequence[Run], *, skipped: Sequence[str]) -> None:
    rows = report.with_ratios(report.medians(runs))
    print(report.table(rows))
    print(f"\nwritten to {report.write(runs, rows=rows, skipped=skipped)}")


def complaint(rows: Sequence[Run]) -> str:
    """Return which pages take too long, or ask more the more there is; empty for none."""
    wrong = [row for row in rows if TOO_SLOW in row.note or GROWS in row.note]
    return f"\nNOT AS IT SHOULD BE:{report.table(wrong)}" if wrong else ""


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a run of a few minutes at most")
    parser.add_argument("--messages", type=int, help="messages of each party and run")
    parser.add_argument("--crowd", type=int, help="messages of the large batch")
    parser.add_argument("--runs", type=int, help="runs; medians are shown")
    parser.add_argument("--limit", type=float, help="seconds that a party may take")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=USUAL)
    parser.add_argument("--million", action="store_true", help="also a queue of 1,000,000 rows")
    parser.add_argument("--keep", type=Path, help="keep what is made, and use it again next time")
    options = parser.parse_args()
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def set_up(
    options: argparse.Namespace, *, folder: Path, stack: ExitStack, has_servers: bool
) -> Bench:
    made = stack.enter_context(servers.servers(folder)) if has_servers else None
    return Bench(
        folder=folder,
        stack=stack,
        servers=made,
        messages=options.messages,
        crowd=options.crowd,
        limit=options.limit,
        million=options.million,
    )


def measured(bench: Bench, *, names: Sequence[str], runs: int) -> Iterator[Run]:
    """Yield every run as soon as it is there, and say so."""
    for name in names:
        for _ in range(runs):
            for run in MEASURES[name](bench):
                print(f"{run.measure}: {run.party}: {report.figures(run)}", flush=True)
                yield run


if __name__ == "__main__":
    main()
