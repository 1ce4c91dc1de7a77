"""A MariaDB and a Redis of one's own: they may be killed, and come back at the same port."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from pathlib import Path

from .databases import mariadb_answers, redis_answers
from .processes import RunningProcess
from .waiting import free_ports, until

NEEDED = ("mariadbd", "mariadb-install-db", "redis-server")


class MariaDB:
    """Flushes at every commit; the data below ``folder`` outlives each of its processes."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self._data = folder / "mariadb"
        if self._data.exists():
            return
        command = ["mariadb-install-db", "--no-defaults", f"--datadir={self._data}"]
        command += [f"--user={getpass.getuser()}", "--skip-test-db"]
        command += ["--auth-root-authentication-method=normal"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def start(self) -> RunningProcess:
        """Return its process once it answers."""
        self.process = RunningProcess(
            [
                "mariadbd",
                "--no-defaults",
                f"--datadir={self._data}",
                f"--user={getpass.getuser()}",
                f"--port={self.port}",
                f"--socket={self._data}/socket",
                f"--tmpdir={self._data}",  # in a shared one, another that starts clears it
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=512M",
                "--innodb-flush-log-at-trx-commit=1",
            ]
        )
        self.process.wait_until(lambda _: mariadb_answers(self.port), timeout=60)
        return self.process

    def new_database(self, name: str) -> str:
        """Return the URL of a database, an empty one where there was none of the name."""
        import MySQLdb

        server = MySQLdb.connect(host="127.0.0.1", port=self.port, user="root")
        server.cursor().execute(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")
        server.close()
        return f"mysql://root@127.0.0.1:{self.port}/{name}"


class Redis:
    """Keeps nothing on disk: killed or stopped, it comes back empty."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self._folder = folder

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> RunningProcess:
        """Return its process once it answers."""
        options = f"--port {self.port} --bind 127.0.0.1 --dir {self._folder} --appendonly no"
        self.process = RunningProcess(["redis-server", *options.split(), "--save", ""])
        self.process.wait_until(lambda _: redis_answers(self.port), timeout=30)
        return self.process

    def kill(self) -> None:
        """End it at once, and return when nothing answers there any more."""
        self.process.kill()
        until(lambda: not redis_answers(self.port), timeout=10, what="Redis gone")


def missing() -> str:
    """Return why there can't be both here, empty when there can."""
    absent = [name for name in NEEDED if not shutil.which(name)]
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        absent.append("mysqlclient (pip install -r requirements.txt)")
    return f"not installed: {', '.join(absent)}" if absent else ""
