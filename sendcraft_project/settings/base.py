"""What both runtimes share; ``contract.md``'s environment table, typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ
from django.utils.translation import gettext_lazy as _

from sendcraft_project import environment as read
from sendcraft_project.settings.logs import logging_config
from sendcraft_project.settings.unfold import UNFOLD  # noqa: F401  (a setting of django-unfold)

BASE_DIR = Path(__file__).resolve().parents[2]
environ.Env.read_env(BASE_DIR / ".env")

VERSION = "0.1.0"
DEBUG = False
DATA_DIR = Path(read.text("SENDCRAFT_DATA", str(BASE_DIR / "var"))).resolve()
PORT = read.integer("SENDCRAFT_PORT", 8000, low=1, high=65535)
CATCHER_PORT = read.integer("SENDCRAFT_CATCHER_PORT", 1025, low=1, high=65535)
PUBLIC_URL = read.url(
    "SENDCRAFT_PUBLIC_URL", f"http://localhost:{PORT}", schemes=("http", "https")
).rstrip("/")

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "auditlog",
    "corsheaders",
    "django_prometheus",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "common",
    "tenants",
    "domains",
    "accounts",
    "templates_app",
    "logs",
    "delivery",
    "inbox",
    "ai_triage",
    "webhooks",
    "catcher",
    "sendcraft_project",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "common.api.middleware.RequestContextMiddleware",
    "common.api.middleware.ContentSecurityMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "delivery.middleware.SignedLinkMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "common.api.middleware.ApiRequestMiddleware",
    "tenants.api.middleware.RateLimitHeadersMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "common.api.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "sendcraft_project.audit.AuditMiddleware",
    "tenants.middleware.TenantTimezoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "sendcraft_project.urls"
WSGI_APPLICATION = "sendcraft_project.wsgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "sendcraft_project" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sendcraft_project.signin.context.look",
            ],
        },
    }
]


def sqlite_options() -> dict[str, Any]:
    """WAL with IMMEDIATE transactions; FULL, since NORMAL can drop a 202 on power loss."""
    return {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }


def mysql_options() -> dict[str, Any]:
    connect, reading, writing = read.seconds("DATABASE_TIMEOUTS", "10,20,20")
    return {
        "charset": "utf8mb4",
        "isolation_level": "read committed",
        "connect_timeout": connect,
        "read_timeout": reading,
        "write_timeout": writing,
        "init_command": "SET sql_mode='STRICT_TRANS_TABLES', innodb_lock_wait_timeout=5",
    }


def database_config(default: str | None) -> dict[str, Any]:
    """Django's settings of ``DATABASE_URL`` with the options that each kind needs."""
    url = read.text("DATABASE_URL", default)
    config = read.database("DATABASE_URL", url)
    is_mysql = config["ENGINE"].endswith("mysql")
    config["OPTIONS"] = mysql_options() if is_mysql else sqlite_options()
    config["CONN_MAX_AGE"] = read.integer("CONN_MAX_AGE", 600)
    config["CONN_HEALTH_CHECKS"] = True
    config["ATOMIC_REQUESTS"] = False  # reads would take SQLite's write lock
    if is_mysql:
        config["ENGINE"] = "common.mysql"
        config["TEST"] = {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_ci"}
    return config


def cache_config(default: str) -> dict[str, Any]:
    """Django's settings of ``CACHE_URL``: ``redis://``, ``file://`` or ``locmem://``."""
    url = read.url("CACHE_URL", default, schemes=("redis", "rediss", "file", "locmem"))
    if url.startswith("redis"):
        return {
            "BACKEND": "common.cache.RedisCache",
            "LOCATION": url,
            "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
        }
    if url.startswith("locmem"):
        return {"BACKEND": "common.cache.MemoryCache"}
    return {
        "BACKEND": "common.cache.FileCache",
        "LOCATION": url.removeprefix("file://"),
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }


def broker_options(url: str) -> dict[str, Any]:
    """Celery's transport options; the filesystem's folders live in ``SENDCRAFT_DATA``."""
    if url.startswith("filesystem:"):
        folder = DATA_DIR / "broker"
        for name in ("queue", "control"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        return {
            "data_folder_in": str(folder / "queue"),
            "data_folder_out": str(folder / "queue"),
            "control_folder": str(folder / "control"),
            "polling_interval": 0.05,
        }
    if url.startswith("redis"):
        return {
            "socket_connect_timeout": 1,
            "socket_timeout": 5,
            "visibility_timeout": 900,
            "unacked_restore_throttle": 1,
            # Without these, kombu waits 6 s for a Redis that is gone, in every request.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
        }
    return {}


# Celery is the doorbell, the database the queue: nothing here is needed for correctness.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_DEFAULT_QUEUE = "default"
# A worker takes all of them unless it has --queues.
CELERY_TASK_QUEUES: dict[str, Any] = {"high": {}, "default": {}, "bulk": {}, "triage": {}}
CELERY_BEAT_SCHEDULER = "sendcraft_project.beat:Scheduler"
MAILBOX_SECONDS = read.integer("MAILBOX_SECONDS", 15, low=1, high=86400)
# None expires: a worker whose clock is ahead of beat's would take none of them.
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "delivery.sweep", "schedule": 2.0, "options": {"queue": "high"}},
    "count-hits": {"task": "delivery.count_hits", "schedule": 1.0, "options": {"queue": "high"}},
    "triage-sweep": {"task": "ai_triage.sweep", "schedule": 5.0, "options": {"queue": "high"}},
    "webhooks-sweep": {"task": "webhooks.sweep", "schedule": 2.0, "options": {"queue": "high"}},
    "tell-of-webhooks": {"task": "webhooks.tell_of_switched_off", "schedule": 60.0},
    "purge-webhook-deliveries": {"task": "webhooks.purge", "schedule": 3600.0},
    "read-mailboxes": {"task": "inbox.read_mailboxes", "schedule": float(MAILBOX_SECONDS)},
    "apply-reports": {"task": "inbox.apply_reports", "schedule": 30.0},
    "tell-of-cost-limits": {"task": "ai_triage.tell_of_cost_limits", "schedule": 60.0},
    "tell-of-pauses": {"task": "accounts.tell_of_pauses", "schedule": 30.0},
    "keep-up-triage-analytics": {"task": "ai_triage.keep_up_analytics", "schedule": 60.0},
    "ring-for-jobs": {"task": "tenants.ring_for_jobs", "schedule": 10.0},
    "purge-jobs": {"task": "tenants.purge_jobs", "schedule": 3600.0},
    "mail-invitations": {"task": "tenants.mail_invitations", "schedule": 60.0},
    "keep-up-delivery-figures": {"task": "logs.keep_up_figures", "schedule": 25.0},
    "remove-expired": {"task": "sendcraft_project.remove_expired", "schedule": 3600.0},
    "purge-idempotency-records": {
        "task": "tenants.purge_idempotency_records",
        "schedule": 3600.0,
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
ACCOUNT_ADAPTER = "sendcraft_project.signin.adapters.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_LOGOUT_REDIRECT_URL = "admin:login"
# A name is held up for minutes at the most: nobody can lock a colleague out for good.
ACCOUNT_RATE_LIMITS = {
    "login_failed": "30/m/ip,10/5m/key",
    "reauthenticate": "10/m/user",
    "reset_password": "20/m/ip,3/10m/key",
}
MFA_ADAPTER = "sendcraft_project.signin.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "SendCraft"
MFA_TOTP_TOLERANCE = 1  # the code before and the one after count, too (RFC 6238 section 5.2)
AUDITLOG_MASK_CALLABLE = "sendcraft_project.audit.mask"
AUDITLOG_CID_HEADER = "x-request-id"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("pt", _("Portuguese")), ("pt-br", _("Brazilian Portuguese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "sendcraft_project.formats"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
MEDIA_ROOT = DATA_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "attachments": {
        "BACKEND": "common.storage.DurableFileSystemStorage",
        "OPTIONS": {"location": str(DATA_DIR / "attachments"), "file_permissions_mode": 0o600},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

REQUEST_LIMIT_BYTES = 40 * 1024 * 1024
MESSAGE_LIMIT_BYTES = 25 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = REQUEST_LIMIT_BYTES
SLOW_SECONDS = 1.0
TRIAGE_DEADLINE = 25.0
"""Seconds for which a request waits for a verdict."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.api.authentication.APIKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.api.permissions.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.api.throttling.KeyRateThrottle"],
    "DEFAULT_PARSER_CLASSES": ["common.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "common.api.negotiation.JSONOnly",
    "DEFAULT_PAGINATION_CLASS": "common.api.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": [
        "common.api.filters.StrictFilterBackend",
        "rest_framework.filters.SearchFilter",
        "common.api.filters.StrictOrderingFilter",
    ],
    "DEFAULT_SCHEMA_CLASS": "common.api.schema.AutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "common.api.errors.ExceptionHandler",
    "EXCEPTION_FORMATTER_CLASS": "common.api.errors.ExceptionFormatter",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "SendCraft API",
    "DESCRIPTION": "Send transactional mail and campaigns through your own SMTP accounts.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SCHEMA_PATH_PREFIX_TRIM": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "MessageStatus": "logs.models.EmailStatus",
        "HealthStatus": ["ok", "unavailable"],
        "WebhookEventType": "webhooks.events.TYPES",
        "WebhookDeliveryStatus": "webhooks.models.DeliveryStatus",
        "TriageStatus": "ai_triage.models.Status",
        "MailPriority": ["high", "medium", "normal", "low"],
        "MessagePriority": ["high", "normal", "low"],
        "Tone": "ai_triage.models.choices.TONES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

CORS_ALLOWED_ORIGINS = read.listed(
    "CORS_ALLOWED_ORIGINS",
    pattern=r"https?://[^/\s]+",
    wanted="a comma-separated list of origins such as https://shop.example",
)
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "prefer", "x-api-key",
    "x-request-id",
]  # fmt: skip
CORS_EXPOSE_HEADERS = [
    "idempotent-replayed", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id",
]  # fmt: skip

# How the product sends its own mail: invitations, password resets, alerts.
vars().update(read.email("EMAIL_URL", f"smtp://127.0.0.1:{CATCHER_PORT}"))
DEFAULT_FROM_EMAIL = read.text("DEFAULT_FROM_EMAIL", "sendcraft@localhost")

RATE_LIMIT = read.rate("SENDCRAFT_RATE_LIMIT", "600/min")
TRUSTED_PROXIES = read.networks("TRUSTED_PROXIES")
SENDCRAFT_PRIVATE_HOSTS = read.listed("SENDCRAFT_PRIVATE_HOSTS")
DNS_RESOLVERS = read.listed(
    "DNS_RESOLVERS",
    pattern=r"(\[[0-9a-fA-F:]+\]|[0-9.]+):\d{1,5}",
    wanted="a comma-separated list of address:port",
)
GEOIP_DATABASE = read.geoip_file("GEOIP_DATABASE")
# Who judges inbound mail. Base URLs are the operator's own choice, so they may be private.
GEMINI_API_KEY = read.text("GEMINI_API_KEY", "")
GEMINI_MODEL = read.text("GEMINI_MODEL", "gemini-3.5-flash-lite")
GEMINI_BASE_URL = read.url(
    "GEMINI_BASE_URL", "https://generativelanguage.googleapis.com", schemes=("http", "https")
)
OPENAI_API_KEY = read.text("OPENAI_API_KEY", "")
OPENAI_MODEL = read.text("OPENAI_MODEL", "")
OPENAI_BASE_URL = read.url(
    "OPENAI_BASE_URL", "https://api.openai.com/v1", schemes=("http", "https")
)
TRIAGE_PROVIDERS = ("gemini", "openai", "rules")
TRIAGE_PROVIDER = read.choice(
    "TRIAGE_PROVIDER", "gemini" if GEMINI_API_KEY else "rules", TRIAGE_PROVIDERS
)
TRIAGE_FALLBACK = read.choice("TRIAGE_FALLBACK", "none", ("none", *TRIAGE_PROVIDERS))

X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

LOGGING_CONFIG = None
logging_config(DATA_DIR / "logs", level=read.text("LOG_LEVEL", "INFO"))
