"""A MariaDB and a Redis of the benchmark's own, so that their settings and costs are known."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.databases import mariadb_answers, redis_answers
from tests.servers.processes import running
from tests.servers.waiting import free_ports

NEEDED = ("mariadbd", "mariadb-install-db", "redis-server")


@dataclass(frozen=True)
class Servers:
    """Where they answer; ``groups`` are their process groups, the database first."""

    mariadb_port: int
    redis_port: int
    database_group: int

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.redis_port}/0"

    def new_database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        import MySQLdb

        server = MySQLdb.connect(host="127.0.0.1", port=self.mariadb_port, user="root")
        server.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        server.close()
        return f"mysql://root@127.0.0.1:{self.mariadb_port}/{name}"


def missing() -> str:
    """Return why there can't be a MariaDB and a Redis here, empty when there can."""
    absent = [name for name in NEEDED if not shutil.which(name)]
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        absent.append("mysqlclient (pip install -r requirements.txt)")
    return f"not installed: {', '.join(absent)}" if absent else ""


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Run both below ``folder`` until the block ends; MariaDB flushes at every commit."""
    mariadb_port, redis_port = free_ports(2)
    data = folder / "mariadb"
    _install(data)
    database = running(
        _mariadb(data, port=mariadb_port), ready=lambda _: mariadb_answers(mariadb_port)
    )
    redis = running(_redis(folder, port=redis_port), ready=lambda _: redis_answers(redis_port))
    with database as mariadb, redis:
        yield Servers(mariadb_port, redis_port, mariadb.pid)


def _install(data: Path) -> None:
    command = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"]
    command += [f"--user={getpass.getuser()}", "--auth-root-authentication-method=normal"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def _mariadb(data: Path, *, port: int) -> list[str]:
    return [
        "mariadbd",
        "--no-defaults",
        f"--datadir={data}",
        f"--user={getpass.getuser()}",
        f"--port={port}",
        f"--socket={data}/socket",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--innodb-buffer-pool-size=512M",
        "--innodb-flush-log-at-trx-commit=1",
    ]


def _redis(folder: Path, *, port: int) -> list[str]:
    options = f"--port {port} --bind 127.0.0.1 --dir {folder} --appendonly no"
    return ["redis-server", *options.split(), "--save", ""]
