"""Fixtures of the journeys."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def browser():
    """Chromium for the tests of one module: while it runs, a loop runs in this thread."""
    from tests.browser import chromium

    with chromium() as found:
        yield found
