"""Kombu's Redis transport, for workers that outlive their Redis.

When Redis goes away, Celery 5.7 closes the connection, and what was taken before is given back or
acknowledged a little later. Over a closed connection, Kombu 5.7 then fails with AttributeError
instead of an error of the connection. Celery takes that for a fault of its own, and the worker
ends.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as ConnectionLost


class Channel(redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> Any:
        """Return how to connect.

        Raises:
            ConnectionLost: this channel's connection is closed.
        """
        if self.connection is None or self.connection.client is None:
            raise ConnectionLost("The connection to Redis is closed.")
        return super()._connparams(asynchronous)  # type: ignore[misc]  # the stubs lack it


class Transport(redis.Transport):
    """For ``redis://`` and ``rediss://``, in place of Kombu's."""

    Channel = Channel
