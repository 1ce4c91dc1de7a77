"""Pytest fixtures that start the servers of this package, or say by name why they can't."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .databases import REDIS, require_redis, skip_or_fail
from .mail_server import MailServer, missing
from .smtp_sink import SmtpSink


@pytest.fixture(scope="session")
def _running_mail_server() -> Iterator[MailServer]:
    if reason := missing():
        skip_or_fail(reason)
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mail_server(_running_mail_server: MailServer) -> MailServer:
    """Postfix and Dovecot, started once per test run, with empty mailboxes."""
    _running_mail_server.empty()
    return _running_mail_server


@pytest.fixture
def smtp_sink() -> Iterator[SmtpSink]:
    """An SMTP server that takes and records everything, for one test."""
    with SmtpSink() as sink:
        yield sink


@pytest.fixture(scope="session")
def redis_server() -> str:
    """Redis's URL, to be ended with a number; skips the test (in CI: fails it) without one."""
    require_redis()
    return REDIS
