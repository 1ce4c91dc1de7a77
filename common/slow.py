"""A warning for a database query that takes over a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings

logger = logging.getLogger(__name__)


class SlowQueries:
    """A wrapper for ``connection.execute_wrapper``; it logs the SQL without its parameters."""

    def __init__(self, *, path: str) -> None:
        self.path = path

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        started = time.monotonic()
        try:
            return execute(sql, params, many, context)
        finally:
            took = time.monotonic() - started
            if took > settings.SLOW_SECONDS:
                extra = {"path": self.path, "seconds": round(took, 3), "sql": sql[:1000]}
                logger.warning("slow query", extra=extra)
