"""The Celery application; tasks carry ids only and may be lost, doubled or late."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sendcraft_project.settings.embedded")

app = Celery("sendcraft")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**kwargs: object) -> None:
    """Celery leaves logging alone where this signal has a receiver; the settings did it."""
