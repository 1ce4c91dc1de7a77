"""One machine, no servers: SQLite, the filesystem broker and secrets made at the first start."""

from __future__ import annotations

import secrets

from sendcraft_project import environment as read
from sendcraft_project.settings.base import *  # noqa: F403
from sendcraft_project.settings.base import (
    DATA_DIR,
    broker_options,
    cache_config,
    database_config,
)

SECRET_KEY = read.text("SECRET_KEY", "") or read.kept_secret(
    DATA_DIR, "secret_key", lambda: secrets.token_urlsafe(48)
)
ENCRYPTION_KEYS = read.encryption_keys() or [
    read.kept_secret(DATA_DIR, "encryption_key", lambda: secrets.token_urlsafe(32))
]
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": database_config(f"sqlite:///{DATA_DIR / 'sendcraft.sqlite3'}")}
CACHES = {"default": cache_config(f"file://{DATA_DIR / 'cache'}")}
CELERY_BROKER_URL = read.url(
    "BROKER_URL", "filesystem://", schemes=("filesystem", "redis", "rediss", "amqp", "amqps")
)
CELERY_BROKER_TRANSPORT_OPTIONS = broker_options(CELERY_BROKER_URL)
SENDCRAFT_ALLOW_PRIVATE_HOSTS = read.boolean("SENDCRAFT_ALLOW_PRIVATE_HOSTS", default=True)
WHITENOISE_USE_FINDERS = True
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
