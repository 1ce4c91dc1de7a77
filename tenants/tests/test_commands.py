"""The commands for tenants and keys."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from tenants.models import APIKey, Tenant

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def create_key(*words: str) -> str:
    return run("create_api_key", "--tenant", "shop", "--name", "n", "--mode", "live", *words)


def ask(key: str):
    return APIClient(headers={"X-API-Key": key}).get("/api/v1/nowhere")


def test_a_tenant_is_created(db):
    assert run("create_tenant", "shop", "--name", "The shop") == "shop\n"
    assert Tenant.objects.get().name == "The shop"


@pytest.mark.parametrize(
    "words", [("shop", "--name", "Again"), ("a b", "--name", "x"), ("x", "--name", " ")]
)
def test_a_tenant_that_makes_no_sense_is_refused_in_words(tenant, words):
    with pytest.raises(CommandError, match=r"\w+ .*\."):
        run("create_tenant", *words)
    assert Tenant.objects.count() == 1


def test_a_key_is_printed_alone_and_opens_the_api(tenant):
    key = create_key()

    assert key.startswith("sk_live_")
    assert key.count("\n") == 1
    assert ask(key.strip()).status_code == 404


def test_scopes_and_rate_go_with_the_key(tenant):
    key = create_key("--scope", "emails:send", "--scope", "emails:read", "--rate", "7/min")

    assert APIKey.objects.get().scopes == ["emails:send", "emails:read"]
    assert ask(key.strip())["RateLimit-Policy"] == '"default";q=7;w=60'


@pytest.mark.parametrize("words", [("--rate", "fast"), ("--rate", "1/week")])
def test_a_rate_that_makes_no_sense_is_refused_in_words(tenant, words):
    with pytest.raises(CommandError, match="600/min"):
        create_key(*words)
    assert not APIKey.objects.exists()


def test_a_key_of_no_tenant_is_refused_in_words(db):
    with pytest.raises(CommandError, match="no tenant shop"):
        create_key()


def test_a_key_is_revoked_by_its_prefix(tenant):
    key = create_key().strip()

    said = run("revoke_api_key", key[:16])

    assert key[:16] in said
    assert ask(key).status_code == 401


@pytest.mark.parametrize("prefix", ["", "sk_", "sk_live_nothing"])
def test_a_prefix_that_names_no_single_key_revokes_none(tenant, prefix):
    keys = [create_key().strip() for _ in range(2)]

    with pytest.raises(CommandError, match="prefix"):
        run("revoke_api_key", prefix)
    assert {ask(key).status_code for key in keys} == {404}
