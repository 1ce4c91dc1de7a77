"""Logging: one JSON line per event, on the console and in rotating files."""

from __future__ import annotations

import logging.config
from pathlib import Path
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured


def without_request(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Drop Django's request object: its text holds the query string."""
    event.pop("request", None)
    return event


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    without_request,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def handler(folder: Path, name: str, level: str) -> dict[str, Any]:
    return {
        "class": "logging.handlers.RotatingFileHandler",
        "filename": str(folder / name),
        "maxBytes": 10 * 1024 * 1024,
        "backupCount": 10,
        "encoding": "utf-8",
        "formatter": "json",
        "level": level,
        "delay": True,
    }


def logging_config(folder: Path, *, level: str) -> None:
    """Configure logging at once; ``folder`` is made when the first line is written."""
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ImproperlyConfigured(
            f"LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not {level!r}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.JSONRenderer(),
                    ],
                    "foreign_pre_chain": SHARED,
                }
            },
            "handlers": {
                "console": {"class": "logging.StreamHandler", "formatter": "json"},
                "file": handler(folder, "sendcraft.log", level),
                "errors": handler(folder, "errors.log", "ERROR"),
            },
            "root": {"handlers": ["console", "file", "errors"], "level": level},
            "loggers": {
                "django.server": {"level": "WARNING"},
                "google_genai": {"level": "WARNING"},
                "httpx2": {"level": "WARNING"},  # a line for each request
                "mail.log": {"level": "WARNING"},  # aiosmtpd writes addresses at INFO
            },
        }
    )
