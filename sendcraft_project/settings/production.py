"""The production-shaped stack: MySQL, Redis, secrets from the environment alone."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from sendcraft_project import environment as read
from sendcraft_project.settings.base import *  # noqa: F403
from sendcraft_project.settings.base import (
    PUBLIC_URL,
    broker_options,
    cache_config,
    database_config,
)

SECRET_KEY = read.text("SECRET_KEY")
SECRET_KEY_FALLBACKS = read.listed("SECRET_KEY_FALLBACKS")
ENCRYPTION_KEYS = read.encryption_keys()
if not ENCRYPTION_KEYS:
    raise ImproperlyConfigured(
        "ENCRYPTION_KEYS is not set, and SendCraft can't start without it: "
        "the SMTP passwords in the database are encrypted with it."
    )
ALLOWED_HOSTS = read.listed("ALLOWED_HOSTS") or ["*"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
DATABASES = {"default": database_config(None)}
CACHES = {"default": cache_config(read.text("CACHE_URL"))}
CELERY_BROKER_URL = read.url("BROKER_URL", None, schemes=("redis", "rediss", "amqp", "amqps"))
CELERY_BROKER_TRANSPORT_OPTIONS = broker_options(CELERY_BROKER_URL)
SENDCRAFT_ALLOW_PRIVATE_HOSTS = read.boolean("SENDCRAFT_ALLOW_PRIVATE_HOSTS", default=False)

STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
}
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_HSTS_SECONDS = 31_536_000 if SESSION_COOKIE_SECURE else 0
