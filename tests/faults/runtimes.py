"""The product as it runs on one machine, and as it runs with servers of its own."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from tests.installation import Installation
from tests.servers.private import MariaDB, Redis

numbers = itertools.count(1)


class Runtime:
    """An installation that many tests use, each with an account of its own."""

    def __init__(self, folder: Path, *, env: dict[str, str] | None = None) -> None:
        self.installation = Installation(folder, env=env)

    def account(self, *, port: int, **fields) -> str:
        """The address of a new active account at the server on ``port``; web must run."""
        address = f"a{next(numbers)}@shop.test"
        self.installation.account(address, port=port, **fields)
        return address

    def execute(self, statement: str, arguments: Sequence[object] = ()) -> list[tuple]:
        """Run one SQL statement, with ``%s`` for arguments, and return its rows."""
        raise NotImplementedError


class Embedded(Runtime):
    """SQLite and the filesystem broker."""

    def execute(self, statement: str, arguments: Sequence[object] = ()) -> list[tuple]:
        file = self.installation.folder / "sendcraft.sqlite3"
        connection = sqlite3.connect(file, timeout=20)
        try:
            with connection:
                return connection.execute(statement.replace("%s", "?"), arguments).fetchall()
        finally:
            connection.close()


class Production(Runtime):
    """MariaDB and Redis, both of this test run alone."""

    def __init__(self, folder: Path) -> None:
        self.mariadb, self.redis = MariaDB(folder), Redis(folder)
        self.mariadb.start()
        self.redis.start()
        url = self.mariadb.new_database("sendcraft")
        env = {
            "DATABASE_URL": url,
            "BROKER_URL": self.redis.url,
            "CACHE_URL": self.redis.url,
            # A database that is gone refuses at once; one that hangs is another fault.
            "DATABASE_TIMEOUTS": "5,20,20",
        }
        super().__init__(folder, env=env)

    def connect(self):
        import MySQLdb

        return MySQLdb.connect(
            host="127.0.0.1", port=self.mariadb.port, user="root", database="sendcraft"
        )

    def execute(self, statement: str, arguments: Sequence[object] = ()) -> list[tuple]:
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(statement, arguments)
            connection.commit()
            return list(cursor.fetchall())
        finally:
            connection.close()

    def stop(self) -> None:
        for server in (self.redis, self.mariadb):
            server.process.kill()
