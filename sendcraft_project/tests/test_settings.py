"""Settings: a bad value stops the start with a sentence that names it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "a-secret-key-of-the-production",
    "ENCRYPTION_KEYS": "an-encryption-key-of-the-production",
    "DATABASE_URL": "mysql://user:hunter2@127.0.0.1/sendcraft",
    "CACHE_URL": "redis://127.0.0.1:6379/1",
    "BROKER_URL": "redis://127.0.0.1:6379/0",
}


def check(data: Path, *, runtime: str = "embedded", **variables: str):
    """What ``manage.py check`` does with these variables alone."""
    env = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": f"sendcraft_project.settings.{runtime}",
        "SENDCRAFT_DATA": str(data),
        **variables,
    }
    return subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SENDCRAFT_PORT", "abc"),
        ("SENDCRAFT_CATCHER_PORT", "70000"),
        ("SENDCRAFT_PUBLIC_URL", "shop.example"),
        ("SENDCRAFT_RATE_LIMIT", "fast"),
        ("SENDCRAFT_ALLOW_PRIVATE_HOSTS", "maybe"),
        ("TRUSTED_PROXIES", "everybody"),
        ("GEOIP_DATABASE", "/nowhere/x.mmdb"),
        ("GEOIP_DATABASE", "manage.py"),
        ("CORS_ALLOWED_ORIGINS", "shop.example"),
        ("DNS_RESOLVERS", "localhost"),
        ("CONN_MAX_AGE", "-1"),
        ("MAILBOX_SECONDS", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("BROKER_URL", "http://127.0.0.1"),
        ("CACHE_URL", "memcached://127.0.0.1"),
        ("EMAIL_URL", "smtp://mail:hunter2@host:abc"),
        ("DATABASE_URL", "postgres://user:hunter2@127.0.0.1/x"),
        ("DATABASE_URL", "mysql://user:hunter2@127.0.0.1:abc/x"),
        ("ENCRYPTION_KEYS", "hunter2"),
        ("TRIAGE_PROVIDER", "oracle"),
        ("GEMINI_BASE_URL", "models.internal"),
    ],
)
def test_a_bad_value_stops_the_start_with_a_sentence_that_names_it(tmp_path, name, value):
    outcome = check(tmp_path, **{name: value})

    said = outcome.stdout + outcome.stderr
    assert outcome.returncode == 1
    assert said.startswith(f"SendCraft can't start: {name} ")
    assert said.count("\n") == 1
    assert "hunter2" not in said


@pytest.mark.parametrize("timeouts", ["1,2", "1,2,x", "0,1,1"])
def test_bad_timeouts_of_the_database_are_named(tmp_path, timeouts):
    outcome = check(tmp_path, DATABASE_URL=PRODUCTION["DATABASE_URL"], DATABASE_TIMEOUTS=timeouts)

    assert outcome.returncode == 1
    assert "can't start: DATABASE_TIMEOUTS must be three whole numbers" in outcome.stderr


@pytest.mark.parametrize("missing", PRODUCTION)
def test_production_does_not_start_without(tmp_path, missing):
    given = {name: value for name, value in PRODUCTION.items() if name != missing}

    outcome = check(tmp_path, runtime="production", **given)

    assert outcome.returncode == 1
    assert f"can't start: {missing} is not set" in outcome.stderr
    assert not (tmp_path / "secret_key").exists()


def test_the_embedded_runtime_starts_with_nothing_set(tmp_path):
    outcome = check(tmp_path / "new")

    assert outcome.returncode == 0, outcome.stderr
    for name in ("secret_key", "encryption_key"):
        made = tmp_path / "new" / name
        assert len(made.read_text()) >= 43
        assert stat.S_IMODE(made.stat().st_mode) == 0o600


KEEP = """
import secrets, sys
from pathlib import Path
from sendcraft_project.environment import kept_secret
sys.stdin.readline()
print(kept_secret(Path(sys.argv[1]), "secret_key", lambda: secrets.token_urlsafe(48)))
"""


def test_processes_that_start_together_get_the_same_secret(tmp_path):
    folder = tmp_path / "new"
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", KEEP, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]

    for process in starting:
        process.stdin.write("go\n")
        process.stdin.flush()
    secrets = {process.communicate(timeout=60)[0] for process in starting}

    assert len(secrets) == 1
    assert len(secrets.pop().strip()) == 64
    assert [path.name for path in folder.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600


LOG = """
import logging, django
django.setup()
logging.getLogger("x").error("broken", extra={"password_of": "nobody"})
for handler in logging.root.handlers:
    if hasattr(handler, "maxBytes"):
        handler.maxBytes = 200
for number in range(10):
    logging.getLogger("x").info("line", extra={"number": number})
"""


def test_log_files_rotate_and_errors_have_a_file_of_their_own(tmp_path):
    env = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "sendcraft_project.settings.embedded",
        "SENDCRAFT_DATA": str(tmp_path),
    }
    subprocess.run([sys.executable, "-c", LOG], cwd=ROOT, env=env, check=True, capture_output=True)

    logs = tmp_path / "logs"
    assert (logs / "errors.log").read_text().count("\n") == 1
    assert (logs / "sendcraft.log.1").exists()
    assert (logs / "sendcraft.log").stat().st_size < 1000
