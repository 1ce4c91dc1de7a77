"""``manage.py queue_status``: what waits and why, for operators."""

from __future__ import annotations

from django.core.management.base import BaseCommand
from django.utils import timezone

from delivery.status import AccountQueue, account_queues

COLUMNS = (
    "account", "due", "sending", "scheduled", "retrying", "sent/min", "oldest", "held",
)  # fmt: skip


class Command(BaseCommand):
    help = "Shows, for each account with open messages, what waits and why."

    def handle(self, *args: object, **options: object) -> None:
        queues = account_queues(at=timezone.now())
        if not queues:
            self.stdout.write("No message waits.")
            return
        rows = [COLUMNS, *map(cells, queues)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write(line.rstrip())


def cells(queue: AccountQueue) -> tuple[str, ...]:
    counts = (queue.due, queue.sending, queue.scheduled, queue.retrying, queue.sent)
    return (queue.account, *map(str, counts), f"{queue.oldest:%Y-%m-%d %H:%M}", queue.held or "-")
