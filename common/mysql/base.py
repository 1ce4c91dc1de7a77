"""Django's backend with fewer round trips: each costs a request as much as its statements."""

from __future__ import annotations

import time
from typing import Any

from django.db.backends.mysql import base
from django.db.backends.utils import debug_transaction

TRUSTED_SECONDS = 1.0


class DatabaseWrapper(base.DatabaseWrapper):
    """Begins with BEGIN instead of switching autocommit off and on; pings only after a pause.

    A connection that was in order a moment ago is used without a question. If the server went
    away meanwhile, the request is answered 503 as if it had gone a moment later.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._has_begun = False
        self._in_order_at = 0.0

    def get_new_connection(self, conn_params: Any) -> Any:
        self._has_begun = False
        return super().get_new_connection(conn_params)

    def _start_transaction_under_autocommit(self) -> None:
        with debug_transaction(self, "BEGIN"), self.wrap_database_errors:
            self.connection.query("BEGIN")
        self._has_begun = True

    def _set_autocommit(self, autocommit: bool) -> None:
        if autocommit and self._has_begun:  # it was never off, and COMMIT or ROLLBACK has ended it
            self._has_begun = False
        else:
            super()._set_autocommit(autocommit)  # type: ignore[misc]

    def close_if_unusable_or_obsolete(self) -> None:
        """Django calls this before and after each request."""
        super().close_if_unusable_or_obsolete()
        now = time.monotonic()
        if self.connection is not None and now - self._in_order_at < TRUSTED_SECONDS:
            self.health_check_done = True
        self._in_order_at = now
