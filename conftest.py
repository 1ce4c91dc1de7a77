"""Fixtures for the whole suite; only the loopback is reachable."""

from __future__ import annotations

import os

import pytest
from django.db.models.signals import post_migrate
from rest_framework.test import APIClient

from tenants.models import APIKey, Tenant
from tests.factories import make_account, make_domain, make_template
from tests.faults.form import IS_LONG
from tests.installation import forget_copies

pytest_plugins = ["tests.servers.fixtures"]

# Roles say who may do what here; Django's permissions would be stored anew, for nobody, after each
# of the hundreds of tests that commit.
post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")


LONGEST = "tests/test_console_browser.py"
JOURNEYS_END = 0.8


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to another run of the suite, and put the rest in a good order."""
    left = [item for item in items if is_elsewhere(item) or is_unpaid(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    places = places_of(items)
    items.sort(key=lambda item: places[module_of(item)])


def places_of(items: list[pytest.Item]) -> dict[str, float]:
    """Return where in the run, from 0 to 1, each module begins.

    Journeys wait for servers that start, so they stand among the others, which only compute. The
    longest is first, and none is at the end, where the last process would be alone with it.
    """
    journeys = dict.fromkeys(module_of(item) for item in items if is_journey(item))
    first = sorted(journeys, key=lambda module: module != LONGEST)
    places = {module: JOURNEYS_END * at / len(first) for at, module in enumerate(first)}
    others = [module for item in items if (module := module_of(item)) not in journeys]
    for at, module in enumerate(others):
        places.setdefault(module, at / len(others))
    return places


def module_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def is_journey(item: pytest.Item) -> bool:
    return item.get_closest_marker("journey") is not None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing in the temporary folder: the process that started the others ends last."""
    if not hasattr(config, "workerinput"):
        forget_copies()


def is_elsewhere(item: pytest.Item) -> bool:
    """Whether a journey, which brings its database, runs in the run on that kind alone."""
    if IS_LONG or not is_journey(item):
        return False
    is_mysql = os.environ.get("DATABASE_URL", "").startswith("mysql:")
    return needs_production(item) is not is_mysql


def is_unpaid(item: pytest.Item) -> bool:
    """Whether a test costs money and there is no key for it."""
    return item.get_closest_marker("live") is not None and not os.environ.get("GEMINI_API_KEY")


def needs_production(item: pytest.Item) -> bool:
    """Tell whether a test runs MariaDB, as a fixture or as the parameter of one."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return "production" in {*item.fixturenames, *(p for p in parameters if isinstance(p, str))}


@pytest.fixture(autouse=True)
def _fresh_cache():
    from django.core.cache import cache

    cache.clear()


@pytest.fixture(autouse=True)
def _no_kept_sessions():
    from delivery import sessions

    yield
    sessions.close_all()


@pytest.fixture
def tenant(db) -> Tenant:
    return Tenant.objects.create(slug="shop", name="Shop")


@pytest.fixture
def other_tenant(db) -> Tenant:
    return Tenant.objects.create(slug="other", name="Other")


def client_of(tenant: Tenant, **fields) -> APIClient:
    """An API client with a new key of ``tenant``."""
    _, key = APIKey.issue(tenant=tenant, name="test", mode=fields.pop("mode", "live"), **fields)
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=key)
    return client


@pytest.fixture
def api(tenant) -> APIClient:
    return client_of(tenant)


@pytest.fixture
def other_api(other_tenant) -> APIClient:
    return client_of(other_tenant)


@pytest.fixture
def domain(tenant):
    return make_domain(tenant, "shop.test")


@pytest.fixture
def account(domain):
    return make_account(domain, "orders")


@pytest.fixture
def template(tenant):
    return make_template(tenant)
