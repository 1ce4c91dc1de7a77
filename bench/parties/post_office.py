"""The peer: django-post-office at its best settings; it does not sign."""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from dataclasses import asdict

import django
from django.conf import settings

from bench import order
from bench.measure import Spent

PROCESSES = 2
BATCH = 2000


def configure(port: int, *, threads: int, database: str) -> None:
    import environ

    settings.configure(
        SECRET_KEY="bench",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={"default": with_options(environ.Env.db_url_config(database))},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        POST_OFFICE={
            "BATCH_SIZE": BATCH,
            "LOG_LEVEL": 1,
            "THREADS_PER_PROCESS": threads // PROCESSES,
            "MESSAGE_ID_ENABLED": True,
        },
    )
    django.setup()
    logging.disable(logging.INFO)


def with_options(config: dict) -> dict:
    """The same durability as SendCraft's."""
    if config["ENGINE"].endswith("sqlite3"):
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas}
    else:
        options = {"charset": "utf8mb4", "isolation_level": "read committed"}
    return config | {"OPTIONS": options}


def queue(count: int, *, renders_late: bool) -> None:
    from post_office import mail
    from post_office.models import Email, EmailTemplate

    Email.objects.all().delete()
    EmailTemplate.objects.all().delete()
    template = EmailTemplate.objects.create(
        name="order", subject=order.SUBJECT, content=order.TEXT, html_content=order.HTML
    )
    for start in range(0, count, 500):
        mail.send_many(
            [
                {
                    "recipients": order.recipient(number),
                    "sender": "shop@bench.test",
                    "template": template,
                    "context": order.variables(number),
                    "render_on_delivery": renders_late,
                }
                for number in range(start, min(count, start + 500))
            ]
        )


def deliver() -> Spent:
    """Return what ``send_queued_mail`` took until its queue was empty."""
    from post_office.mail import send_queued_mail_until_done

    before, began = cpu(), time.monotonic()
    send_queued_mail_until_done(processes=PROCESSES)
    return Spent(time.monotonic() - began, cpu() - before)


def cpu() -> float:
    who = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in who)


def main(port: str, count: str, threads: str, kind: str, database: str) -> None:
    configure(int(port), threads=int(threads), database=database)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    queue(int(count), renders_late=kind == "late")
    print(json.dumps(asdict(deliver())))


if __name__ == "__main__":
    main(*sys.argv[1:])
