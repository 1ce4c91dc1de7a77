"""The embedded runtime in a folder of its own, with cheap passwords and an in-memory broker."""

from __future__ import annotations

import os
import tempfile

# Processes of one run don't share journals and files.
if "PYTEST_XDIST_WORKER" in os.environ or "SENDCRAFT_DATA" not in os.environ:
    folder = tempfile.TemporaryDirectory(prefix="sendcraft-test-", ignore_cleanup_errors=True)
    os.environ["SENDCRAFT_DATA"] = folder.name
os.environ.setdefault("LOG_LEVEL", "WARNING")

from sendcraft_project.settings.embedded import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, since SQLite in memory has other locks than the product meets.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # noqa: F405
    # Nobody reads it after a power loss.
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"  # noqa: F405
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
CACHES = {"default": {"BACKEND": "common.cache.MemoryCache"}}
# Tests name their provider; a key in the environment is for the live one alone.
TRIAGE_PROVIDER, TRIAGE_FALLBACK, GEMINI_API_KEY, OPENAI_API_KEY = "rules", "none", "", ""
# Every test client makes its middleware anew: files are looked for when asked for, not listed.
WHITENOISE_AUTOREFRESH = True
