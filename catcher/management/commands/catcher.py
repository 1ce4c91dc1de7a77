"""``manage.py catcher``: catch mail on a loopback port until a signal ends it."""

from __future__ import annotations

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from catcher.server import HOST, Catcher
from catcher.storage import keep

ENDING = (signal.SIGTERM, signal.SIGINT)


class Command(BaseCommand):
    help = "Catch every mail that is sent to a port of 127.0.0.1 and show it in the admin."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.CATCHER_PORT)

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # before the threads, which inherit it
        try:
            catcher = Catcher(keep, port=port)
        except OSError as error:
            raise CommandError(
                f"Port {port} is in use; name another with SENDCRAFT_CATCHER_PORT."
            ) from error
        with catcher:
            self.stdout.write(f"Catching mail on {HOST}:{catcher.port}")
            signal.sigwait(ENDING)
