"""Fixtures of the journeys."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def browser():
    """Chromium for the tests of one module: while it runs, a loop runs in this thread."""
    from tests.browser import chromium

    with chromium() as found:
        yield found


@pytest.fixture
def page(browser, shop):
    """A page of the superuser of the module's ``shop``, who is logged in."""
    from tests.browser import DESK, log_in

    context = browser.new_context(viewport=DESK, locale="en-GB")
    page = context.new_page()
    log_in(page, shop.url)
    yield page
    context.close()
