"""Where everything is reached."""

from __future__ import annotations

import pytest
from django.contrib.staticfiles import finders

pytestmark = pytest.mark.django_db


def test_the_root_leads_to_the_admin(client):
    assert client.get("/").url == "/admin/"


def test_a_browser_that_asks_for_an_icon_finds_the_products(client):
    answer = client.get("/favicon.ico")

    assert answer.status_code == 302
    assert finders.find(answer.url.removeprefix("/static/"))
    assert answer["Cache-Control"] == "public, max-age=86400"
    assert "Set-Cookie" not in answer


def test_the_schema_is_public_as_json_and_yaml(client):
    as_json = client.get("/api/v1/schema", headers={"Accept": "application/json"})
    as_yaml = client.get("/api/v1/schema?format=yaml")

    assert as_json.json()["openapi"].startswith("3.")
    assert b"openapi: 3." in as_yaml.content


def test_the_documentation_loads_nothing_from_elsewhere(client):
    page = client.get("/docs/api/").content.decode()

    assert "swagger" in page
    assert "//cdn" not in page
    assert "<script>" not in page


def test_outside_the_api_errors_are_pages(client):
    answer = client.get("/nowhere")

    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")
