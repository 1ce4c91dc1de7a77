"""Fixtures of the domains app."""

from __future__ import annotations

import pytest

from domains.tests.dns_server import running_dns_server


@pytest.fixture
def dns_server():
    """A real DNS server with no records yet."""
    with running_dns_server() as server:
        yield server
