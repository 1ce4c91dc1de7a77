"""A whole installation of the product in a folder of its own, reached as a user would."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests

from sendcraft_project.processes import URGENT
from tests.servers.databases import require_mariadb, skip_or_fail
from tests.servers.private import Redis
from tests.servers.processes import ROOT, RunningProcess, celery_worker, serves, web_server
from tests.servers.waiting import free_ports, until

MARIADB = "mysql://root@127.0.0.1:3306/"
COPIES = os.environ.setdefault("SENDCRAFT_TEST_COPIES", f"sendcraft-{secrets.token_hex(8)}-")
"""How the folders begin that this run of the suite keeps; its processes inherit it."""
SETTLED = {"sent", "delivered", "failed", "bounced", "spam", "cancelled"}
WORKER = ("--beat", "--concurrency", "2", "--schedule", "{folder}/{name}")
USER, PASSWORD = "staff", "a-password-of-the-test"
"""The superuser of every installation."""
SCHEMA = f"""
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0)
User.objects.create_superuser({USER!r}, "staff@example.com", {PASSWORD!r})
"""
TENANT = """
from django.core.management import call_command
call_command("create_tenant", {slug!r}, name={slug!r}.title())
call_command("create_api_key", tenant={slug!r}, name="k", mode="live")
"""


class Installation:
    """Commands, processes and API of one installation; ``env`` is all that it knows."""

    def __init__(self, folder: Path, *, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.port, self.catcher_port = free_ports(2)
        self.env = {
            "DJANGO_SETTINGS_MODULE": "sendcraft_project.settings.embedded",
            # Empty means the embedded default, whatever the suite itself runs on.
            **dict.fromkeys(("DATABASE_URL", "BROKER_URL", "CACHE_URL", "EMAIL_URL"), ""),
            # No test but the live one asks a real model.
            **dict.fromkeys(("GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY"), ""),
            "SENDCRAFT_DATA": str(folder),
            "SENDCRAFT_PORT": str(self.port),
            "SENDCRAFT_CATCHER_PORT": str(self.catcher_port),
            "SENDCRAFT_RATE_LIMIT": "0",
            "LOG_LEVEL": "INFO",
        } | (env or {})
        self.session = requests.Session()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str) -> str:
        """Run ``manage.py`` and return what it prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise AssertionError(f"manage.py {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def shell(self, code: str) -> str:
        """Run this code inside and return what it prints."""
        return self.manage("shell", "--no-imports", "-c", code)

    @contextmanager
    def kept_shell(self, code: str) -> Iterator[subprocess.Popen[str]]:
        """Run code inside that reads its standard input, which ends with the block."""
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        pipe = subprocess.PIPE
        env = {**os.environ, **self.env}
        with subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, text=True
        ) as child:
            yield child

    def set_up(self) -> None:
        """Migrate, and make a superuser and a tenant whose live key this session carries.

        The first installation of a test run does so; others of its kind take a copy.
        """
        own = Database(self.env["DATABASE_URL"], file=self.folder / "sendcraft.sqlite3")
        copy = Path(tempfile.gettempdir(), f"{COPIES}{own.kind}")
        if copy.exists():
            own.load(copy / "database")
            key = (copy / "key").read_text()
        else:
            key = self.shell(SCHEMA + TENANT.format(slug="shop")).splitlines()[-1]
            made = Path(tempfile.mkdtemp(prefix=f"{copy.name}-"))
            (made / "key").write_text(key)
            own.save(made / "database")
            try:
                made.rename(copy)
            except OSError:  # another process of the run was faster
                shutil.rmtree(made)
        self.session.headers["X-API-Key"] = key

    def new_tenant(self, slug: str) -> str:
        """Make another tenant and return its live key."""
        return self.shell(TENANT.format(slug=slug)).splitlines()[-1]

    def call(self, method: str, path: str, body: object = None, **kwargs) -> requests.Response:
        return self.session.request(
            method, f"{self.url}/api/v1{path}", json=body, timeout=30, **kwargs
        )

    def made(self, path: str, body: object, *, status: int = 201) -> dict:
        """POST and return the answer, which must have this status."""
        response = self.call("POST", path, body)
        assert response.status_code == status, response.text
        return response.json()

    def account(self, address: str, *, port: int, **fields) -> dict:
        """An active account of a new or known domain, over plain SMTP on loopback."""
        name = address.rpartition("@")[2]
        if not self.call("GET", f"/domains?name={name}").json()["results"]:
            self.made("/domains", {"name": name})
        settings = {"smtp_server": "127.0.0.1", "smtp_port": port, "use_tls": False}
        account = self.made("/accounts", {"email_address": address} | settings | fields)
        return self.made(f"/accounts/{account['id']}/activate", None, status=200)

    def message(self, tracking_id: str) -> dict:
        return self.call("GET", f"/logs/{tracking_id}").json()

    def wait_settled(self, tracking_id: str, *, timeout: float = 30) -> dict:
        """Return the message once it is in a final state."""

        def settled() -> dict | None:
            message = self.message(tracking_id)
            return message if message["status"] in SETTLED else None

        return until(settled, timeout=timeout, what=f"message {tracking_id} settled")

    def is_ready(self) -> bool:
        """Return whether web takes traffic; a killed one's last child may still refuse some."""
        return serves(self.port, "/readyz")

    @contextmanager
    def web(self, *, workers: int = 1) -> Iterator[RunningProcess]:
        with web_server(port=self.port, env=self.env, workers=workers) as process:
            until(self.is_ready, timeout=60, what="readyz")
            yield process

    @contextmanager
    def worker(
        self, *, name: str = "beat", wrapper: Sequence[str] = ()
    ) -> Iterator[RunningProcess]:
        """Run a worker that also sweeps; ``wrapper`` is a command that starts it.

        Another one beside it needs another ``name``.
        """
        options = [option.format(folder=self.folder, name=name) for option in WORKER]
        with celery_worker(env=self.env, options=options, wrapper=wrapper) as process:
            yield process

    @contextmanager
    def urgent_worker(self) -> Iterator[RunningProcess]:
        options = [*URGENT.split(), "--hostname", "urgent@%h"]
        with celery_worker(env=self.env, options=options) as process:
            yield process

    @contextmanager
    def running(self) -> Iterator[RunningProcess]:
        """Web and worker; yields the worker."""
        with ExitStack() as stack:
            stack.enter_context(self.web())
            yield stack.enter_context(self.worker())


class Database:
    """An installation's database, SQLite's where there is no URL, to be copied whole."""

    def __init__(self, url: str, *, file: Path) -> None:
        self._file = file
        parts = urlsplit(url)
        self.kind = parts.scheme or "sqlite"
        self._login = [
            f"--host={parts.hostname}",
            f"--port={parts.port}",
            f"--user={parts.username}",
        ]
        self._name = parts.path.lstrip("/")

    def save(self, copy: Path) -> None:
        if self.kind == "sqlite":
            shutil.copyfile(self._file, copy)
            return
        with copy.open("wb") as out:
            subprocess.run(["mariadb-dump", *self._login, self._name], stdout=out, check=True)

    def load(self, copy: Path) -> None:
        if self.kind == "sqlite":
            shutil.copyfile(copy, self._file)
            return
        with copy.open("rb") as dump:
            subprocess.run(["mariadb", *self._login, self._name], stdin=dump, check=True)


def forget_copies() -> None:
    """Remove what this run kept for its installations to be copied from."""
    for folder in Path(tempfile.gettempdir()).glob(f"{COPIES}*"):
        shutil.rmtree(folder)


@contextmanager
def mariadb_database() -> Iterator[str]:
    """Yield the URL of a fresh MariaDB database that goes away afterwards."""
    import MySQLdb

    name = f"sendcraft_{secrets.token_hex(4)}"
    server = MySQLdb.connect(host="127.0.0.1", user="root")
    try:
        server.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        yield MARIADB + name
        server.cursor().execute(f"DROP DATABASE {name}")
    finally:
        server.close()


@contextmanager
def production_like(folder: Path) -> Iterator[dict[str, str]]:
    """Yield what names a fresh MariaDB database and a Redis of its own, which end with the block.

    Skips the test (in CI: fails it) where there is no server.
    """
    require_mariadb()
    if not shutil.which("redis-server"):
        skip_or_fail("redis-server is not installed")
    redis = Redis(folder)
    with mariadb_database() as url:
        redis.start()
        try:
            yield {"DATABASE_URL": url, "BROKER_URL": redis.url, "CACHE_URL": redis.url}
        finally:
            redis.kill()
