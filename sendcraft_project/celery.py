"""The Celery application; tasks carry ids only and may be lost, doubled or late."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging, task_postrun, task_prerun
from django.conf import settings
from django.db import connection
from kombu.transport import TRANSPORT_ALIASES

from common.slow import SlowQueries

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sendcraft_project.settings.embedded")

TRANSPORT_ALIASES["filesystem"] = "sendcraft_project.broker:Transport"
TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), "sendcraft_project.redis_broker:Transport")
app = Celery("sendcraft")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
logger = logging.getLogger(__name__)


@setup_logging.connect
def keep_our_logging(**kwargs: object) -> None:
    """Celery leaves logging alone where this signal has a receiver; the settings did it."""


@task_prerun.connect
def watch_task(task: Task[Any, Any], **kwargs: object) -> None:
    request: Any = task.request
    request.started = time.monotonic()
    request.slow_queries = SlowQueries(path=str(task.name))
    connection.execute_wrappers.append(request.slow_queries)


@task_postrun.connect
def warn_of_slow_task(task: Task[Any, Any], task_id: str, **kwargs: object) -> None:
    request: Any = task.request
    if request.slow_queries in connection.execute_wrappers:
        connection.execute_wrappers.remove(request.slow_queries)
    took = time.monotonic() - request.started
    if took > settings.SLOW_SECONDS:
        extra = {"path": task.name, "task_id": task_id, "seconds": round(took, 3)}
        logger.warning("slow task", extra=extra)
