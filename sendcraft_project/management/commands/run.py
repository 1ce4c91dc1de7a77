"""``manage.py run``: everything on this machine in one foreground command."""

from __future__ import annotations

import json
import logging
import os
import shlex
import socket
import sys
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from catcher.server import HOST, Catcher
from catcher.storage import keep
from common.errors import SendCraftError
from sendcraft_project import demo
from sendcraft_project.demo import Credentials
from sendcraft_project.metrics import MANY
from sendcraft_project.processes import URGENT, Program, Supervisor

PYTHON = sys.executable
ORDER = {
    "template_id": "alitools_order_confirmation",
    "from_account": "encomendas@alitools.pt",
    "to_address": "cliente@example.com",
    "variables": {
        "customer_name": "Ana",
        "order_number": "A-1001",
        "products": [{"name": "Berbequim", "price": "49.90"}],
    },
}


class Command(BaseCommand):
    help = "Start web, worker and mail catcher here, with demo data; Ctrl-C stops all of it."
    requires_system_checks = []  # made while the other processes start, see handle

    def handle(self, *args: Any, **options: Any) -> None:
        check_port("SENDCRAFT_PORT", settings.PORT)
        check_port("SENDCRAFT_CATCHER_PORT", settings.CATCHER_PORT)
        quieten_console()
        supervisor = Supervisor(folder=settings.BASE_DIR)
        call_command("migrate", verbosity=0)
        with Catcher(keep, port=settings.CATCHER_PORT), closing(supervisor):
            self.serve(supervisor)
        self.stdout.write("Stopped.")

    def serve(self, supervisor: Supervisor) -> None:
        """Keep all running until a signal comes, and say how to get in once it answers."""
        share_metrics(settings.DATA_DIR / "metrics")
        supervisor.start(web(), worker(), urgent_worker())
        self.check()
        credentials = make_demo()
        if supervisor.watch(until=web_is_ready):
            self.stdout.write(welcome(credentials))
            supervisor.watch()
        self.stdout.write("\nStopping …")


def check_port(variable: str, port: int) -> None:
    """Raise CommandError with the variable's name where ``port`` can't be listened on."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        raise CommandError(
            f"Port {port} of {HOST} can't be used ({error.strerror}). "
            f"Stop what uses it, or set {variable} to a free port."
        ) from error


def quieten_console() -> None:
    """Leave routine lines to the log files: this console is for people."""
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setLevel(logging.WARNING)


def share_metrics(folder: Path) -> None:
    """Let the processes count in files that the web process can read, all from nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink()
    os.environ[MANY] = str(folder)


def web() -> Program:
    """gunicorn with one process, since SQLite has one writer, and threads for slow clients."""
    options = (
        f"--bind {HOST}:{settings.PORT} --workers 1 --worker-class gthread --threads 8 "
        "--timeout 60 --graceful-timeout 10 --keep-alive 75 --log-level warning --no-control-socket"
    )
    target = "sendcraft_project.wsgi:application"
    return Program("web", (PYTHON, "-m", "gunicorn", target, *options.split()))


def worker() -> Program:
    """Drains of all accounts, two at once, with beat inside."""
    return celery("worker", "--beat --concurrency 2")


def urgent_worker() -> Program:
    """Drains in threads, many at once, so that slow servers and bulk mail keep nobody waiting."""
    return celery("urgent", URGENT)


def celery(name: str, options: str) -> Program:
    """A Celery worker without the chatter that so few have no use for."""
    command = (PYTHON, "-m", "celery", "--quiet", "-A", "sendcraft_project", "worker")
    quiet = "--without-gossip --without-mingle --without-heartbeat --loglevel WARNING"
    own = f"--hostname {name}@%h {options} {quiet} -- .enable_remote_control=no"
    return Program(name, (*command, *own.split()))


def web_is_ready() -> bool:
    try:
        url = f"http://{HOST}:{settings.PORT}/readyz"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def make_demo() -> Credentials:
    file = settings.DATA_DIR / "credentials.json"
    try:
        return demo.create(catcher_port=settings.CATCHER_PORT, credentials_file=file)
    except SendCraftError as error:
        raise CommandError(f"The demo data could not be made: {error}") from error
    finally:
        connections.close_all()


def welcome(credentials: Credentials) -> str:
    base = f"http://{HOST}:{settings.PORT}"
    return f"""
SendCraft is running. Ctrl-C stops it.

  Admin      {base}/admin/
  User       {credentials.admin_user}
  Password   {credentials.admin_password}
  Live key   {credentials.live_key}
  Test key   {credentials.test_key}
  API        {base}/docs/api/
  Mail       {base}/admin/catcher/caughtmail/ ({catching()})

Send an order confirmation:

{curl(credentials, base=base)}
"""


def catching() -> str:
    if demo.catcher_is_allowed():
        return "sent mail is caught here, none leaves"
    return f"unused: {demo.CATCHER_HOST} is private, and not in SENDCRAFT_PRIVATE_HOSTS"


def curl(credentials: Credentials, *, base: str) -> str:
    """Return the contract's first request, ready to be pasted into a shell."""
    body = shlex.quote(json.dumps(ORDER, ensure_ascii=False))
    return (
        f"curl {base}/api/v1/emails/send \\\n"
        f"  -H 'X-API-Key: {credentials.live_key}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {body}"
    )
