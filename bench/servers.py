"""A MariaDB and a Redis of the benchmark's own, so that their settings and costs are known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers.private import MariaDB, Redis, missing

__all__ = ["Servers", "missing", "servers"]


class Servers:
    """Both, started; ``database_group`` is the process group of the database."""

    def __init__(self, folder: Path, *, stack: ExitStack) -> None:
        self._mariadb, redis = MariaDB(folder), Redis(folder)
        for server in (self._mariadb, redis):
            stack.callback(server.start().kill)
        self._redis_url = redis.url
        self.new_database = self._mariadb.new_database
        self.database_group = self._mariadb.process.pid

    def env(self, database: str) -> dict[str, str]:
        """What an installation on both has to know."""
        redis = dict.fromkeys(("BROKER_URL", "CACHE_URL"), self._redis_url)
        return {"DATABASE_URL": self.new_database(database)} | redis


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Run both below ``folder`` until the block ends."""
    with ExitStack() as stack:
        yield Servers(folder, stack=stack)
