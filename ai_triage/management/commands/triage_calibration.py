"""``manage.py triage_calibration``: what a confidence is worth, by reviewed mail."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ai_triage.calibration import LEAST, Calibration, Costs, Suggestion, calibrate
from ai_triage.evaluation.text import table
from tenants.models import Tenant


def cost(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ArgumentTypeError("a number") from error
    if not (math.isfinite(value) and value > 0):
        raise ArgumentTypeError("a number above 0")
    return value


class Command(BaseCommand):
    help = (
        "Show how often the triage was right at each confidence, by the tenant's reviewed mail, "
        "and from which confidence on acting without a person costs least."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="the tenant's slug")
        parser.add_argument("--wrong-costs", type=cost, default=20.0, help="a wrong decision (20)")
        parser.add_argument("--look-costs", type=cost, default=1.0, help="a person's look (1)")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']}.")
        costs = Costs(wrong=options["wrong_costs"], look=options["look_costs"])
        found = calibrate(tenant, costs=costs)
        if not found.count:
            raise CommandError("No mail was reviewed yet.")
        self.stdout.write("\n".join(lines(found)))


def lines(found: Calibration) -> Iterator[str]:
    right = f"{found.right.part} right"
    yield f"{found.count} reviewed mails, {right}, expected calibration error {found.error:.3f}"
    yield ""
    rows = [
        [
            f"{one.lowest:.1f} to {one.highest:.1f}",
            str(one.count),
            f"{one.confidence:.3f}",
            f"{one.accuracy:.3f}",
            "{:.3f} to {:.3f}".format(*one.right.interval),
        ]
        for one in found.bins
    ]
    yield from table([["confidence", "mails", "mean", "right", "95 % interval"], *rows])
    yield ""
    yield from table(
        [["mail", "reviewed", "no look from", "of these wrong"], *map(_row, found.suggestions)]
    )


def _row(one: Suggestion) -> list[str]:
    name = f"respond, {one.email_type}" if one.email_type else "all"
    if not one.is_enough:
        return [name, str(one.count), f"fewer than {LEAST} mails", ""]
    if one.threshold is None:
        return [name, str(one.count), "nowhere", ""]
    return [name, str(one.count), f"{one.threshold:.2f}", f"{one.wrong} of {one.alone}"]
