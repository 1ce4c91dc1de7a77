"""What tests of triage share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.google import FakeGoogle


@pytest.fixture
def google(settings) -> Iterator[FakeGoogle]:
    """Google's protocol on loopback, as the configured provider."""
    with FakeGoogle(key="k") as server:
        settings.TRIAGE_PROVIDER = "gemini"
        settings.GEMINI_API_KEY = "k"
        settings.GEMINI_BASE_URL = server.url
        yield server
