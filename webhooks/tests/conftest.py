"""A receiver for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.receiver import Receiver
from webhooks.models import WebhookEndpoint
from webhooks.tests.telling import endpoint_at


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def endpoint(receiver, tenant) -> WebhookEndpoint:
    return endpoint_at(receiver.url, tenant=tenant)
