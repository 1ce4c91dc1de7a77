"""The form of requests and answers, whatever the endpoint."""

from __future__ import annotations

import json
import logging
from io import BytesIO, StringIO

import pytest
from django.test import Client
from rest_framework.test import APIClient

from domains.models import Domain

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tenants.tests.urls")]
NOTES = "/api/v1/notes"
JSON = "application/json"


def error_of(answer, status):
    """The only error of an answer in the API's form."""
    assert answer.status_code == status
    assert answer["Content-Type"].startswith(JSON)
    body = answer.json()
    assert set(body) == {"type", "errors"}
    assert body["type"] in ("validation_error", "client_error", "server_error")
    (error,) = body["errors"]
    assert set(error) == {"code", "detail", "attr"}
    return error


def send(api, body, content_type=JSON):
    return api.generic("POST", NOTES, body, content_type=content_type)


@pytest.mark.parametrize(
    "path", ["/api/v1/nowhere", "/api/v2/notes", "/api", "/api/", "/api/v1/", "/api/v1/a%0Ab%00"]
)
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_what_is_not_routed_is_a_404_in_json(api, method, path):
    assert error_of(getattr(api, method)(path), 404)["code"] == "not_found"


def test_a_verb_that_the_path_does_not_know_is_405(api):
    answer = api.delete(NOTES)

    assert error_of(answer, 405)["code"] == "method_not_allowed"
    assert "POST" in answer["Allow"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data"])
def test_another_content_type_is_415(api, content_type):
    answer = send(api, b'{"name": "a"}', content_type)

    assert error_of(answer, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": -Infinity}',
        b'{"name": 1e999}',
        b'{"name": "\xff"}',
        b'{"name": "a\nb"}',
        rb'{"name": "\ud800"}',
        rb'{"\udc00": 1}',
        "{}".encode("utf-16"),
        b"[" * 100_000,
        b"[" * 101 + b"]" * 101,
        b'{"name":' * 200 + b"1" + b"}" * 200,
        b'{"name": 1' + b"0" * 5000 + b"}",
    ],
)
def test_what_is_not_json_is_400(api, body):
    assert error_of(send(api, body), 400)["code"] == "parse_error"


@pytest.mark.parametrize("body", [b"[]", b"null", b'"a"', b"1", b"[" * 100 + b"]" * 100])
def test_json_that_is_no_object_is_422(api, body):
    assert error_of(send(api, body), 422)["code"]


def test_a_pair_of_surrogates_is_a_character(api):
    assert send(api, rb'{"name": "\ud83d\ude00"}').json()["name"].startswith("😀")


def test_10_mb_of_json_are_read_and_refused_by_field(api):
    answer = send(api, json.dumps({"name": "a" * 10_000_000}).encode())

    error = error_of(answer, 422)
    assert error["attr"] == "name"
    assert error["code"] == "max_length"
    assert len(answer.content) < 1000


def test_an_unknown_and_a_read_only_field_are_refused_by_name(api):
    answer = api.post(NOTES, {"name": "a", "id": 1, "tenant": 2})

    assert answer.status_code == 422
    assert {(e["attr"], e["code"]) for e in answer.json()["errors"]} == {
        ("id", "read_only"),
        ("tenant", "unknown_field"),
    }
    assert not Domain.objects.exists()


def test_refusals_of_a_service_keep_their_codes_and_dotted_fields(api):
    answer = api.post(NOTES, {"name": "refused"})

    assert answer.status_code == 422
    assert [(e["attr"], e["code"]) for e in answer.json()["errors"]] == [
        ("list.3.name", "no"),
        ("list.4.name", "never"),
    ]


@pytest.mark.parametrize("name", ["a\0b", ["a"], {"a": 1}, None, "", True])
def test_a_bad_text_is_refused_by_field(api, name):
    assert error_of(api.post(NOTES, {"name": name}), 422)["attr"] == "name"


def test_a_bug_is_a_500_in_json_without_its_text(api):
    api.raise_request_exception = False

    answer = api.post(NOTES, {"name": "broken"})

    assert error_of(answer, 500)["code"] == "error"
    assert b"a bug" not in answer.content


def test_a_body_over_the_limit_is_413_by_its_length(api, settings):
    settings.REQUEST_LIMIT_BYTES = 100

    answer = send(api, b'{"name": "' + b"a" * 100 + b'"}')

    assert error_of(answer, 413)["code"] == "too_large"


def test_a_length_without_its_body_is_413_before_anything_is_read(api):
    answer = api.generic(
        "POST", NOTES, b"{}", content_type=JSON, CONTENT_LENGTH=str(41 * 1024 * 1024)
    )

    assert error_of(answer, 413)["code"] == "too_large"


def chunked(api, body):
    """A request as a server hands it on that ends the stream where the chunks end."""
    return api.generic(
        "POST",
        NOTES,
        content_type=JSON,
        CONTENT_LENGTH="",
        HTTP_TRANSFER_ENCODING="chunked",
        **{"wsgi.input": BytesIO(body), "wsgi.input_terminated": True},
    )


def test_a_chunked_body_is_read(api):
    assert chunked(api, b'{"name": "a"}').status_code == 201


def test_a_chunked_body_over_the_limit_is_413(api, settings):
    settings.REQUEST_LIMIT_BYTES = 100

    assert error_of(chunked(api, b"[" * 101), 413)["code"] == "too_large"


def test_one_trailing_slash_is_tolerated(api):
    assert api.get(f"{NOTES}/").status_code == 200
    assert api.post(f"{NOTES}/", {"name": "a"}).status_code == 201


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ("colour=red", "colour"),
        ("page_size=0", "page_size"),
        ("page_size=201", "page_size"),
        ("page_size=ten", "page_size"),
        ("page_size=%C2%B2", "page_size"),
        ("page_size=", "page_size"),
        ("page_size=-1", "page_size"),
        ("cursor=nonsense", "cursor"),
        ("cursor=%00", "search"),
        ("cursor=" + "A" * 3000, "cursor"),
        ("cursor=cD1hYmM%3D", "cursor"),  # p=abc
        ("page_size=0000000011999", "page_size"),
        ("ordering=digest", "ordering"),
        ("ordering=tenant__name", "ordering"),
        ("ordering=name,secret", "ordering"),
        ("search=%00", "search"),
    ],
)
def test_a_bad_query_parameter_is_400_and_named(api, query, attr):
    error = error_of(api.get(f"{NOTES}?{query}"), 400)

    assert error["attr"] == attr


def test_pages_follow_each_other_without_gap_or_double(api, tenant):
    for number in range(7):
        Domain.objects.create(tenant=tenant, name=f"{number}.example")

    seen, address = [], f"{NOTES}?page_size=3&ordering=name"
    while address:
        page = api.get(address).json()
        seen += [row["name"] for row in page["results"]]
        address = page["next"]

    assert seen == [f"{number}.example" for number in range(7)]


def test_search_and_ordering_narrow_and_sort_a_list(api, tenant):
    for name in ("b.example", "a.example", "c.test"):
        Domain.objects.create(tenant=tenant, name=name)

    page = api.get(f"{NOTES}?search=example&ordering=-name").json()

    assert [row["name"] for row in page["results"]] == ["b.example", "a.example"]


@pytest.mark.parametrize("given", ["abc-123", "a" * 128, "0af7651916cd43dd:b7ad/+=~_."])
def test_a_request_id_is_taken_over(api, given):
    assert api.get(NOTES, headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", [None, "", "a" * 129, "a b", "a\tb", "<script>", "é"])
def test_a_missing_or_malformed_request_id_is_made(api, given):
    headers = {} if given is None else {"X-Request-ID": given}

    made = api.get(NOTES, headers=headers)["X-Request-ID"]

    assert len(made) == 32
    assert made != given


def test_the_request_id_is_on_every_error(db):
    for path in (NOTES, "/api/v1/nowhere", "/nowhere"):
        answer = APIClient().get(path, headers={"X-Request-ID": "trace-1"})

        assert answer["X-Request-ID"] == "trace-1"


@pytest.fixture
def lines(monkeypatch):
    """What the console shows, line by line."""
    shown = StringIO()
    (console,) = [one for one in logging.root.handlers if type(one) is logging.StreamHandler]
    monkeypatch.setattr(console, "stream", shown)
    return lambda: shown.getvalue().splitlines()


def test_the_request_id_stands_in_log_lines(api, lines):
    api.raise_request_exception = False

    api.post(NOTES, {"name": "broken"}, headers={"X-Request-ID": "trace-42"})

    assert lines()
    assert {json.loads(line)["request_id"] for line in lines()} == {"trace-42"}


def test_log_lines_are_one_json_line_each_and_hold_no_query_string(client, lines):
    client.get("/api/v1/no%0Awhere?api_key=hunter2")

    (line,) = lines()
    assert json.loads(line)["level"] == "warning"
    assert "hunter2" not in line


ORIGIN = "https://front.example"


def test_a_named_origin_may_call_the_api_from_a_browser(api, settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]

    asked = Client().options(
        NOTES,
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-api-key,idempotency-key,content-type",
        },
    )
    answer = api.get(NOTES, headers={"Origin": ORIGIN})

    assert asked.status_code == 200
    assert asked["Access-Control-Allow-Origin"] == ORIGIN
    assert "x-api-key" in asked["Access-Control-Allow-Headers"]
    assert "idempotency-key" in asked["Access-Control-Allow-Headers"]
    assert answer["Access-Control-Allow-Origin"] == ORIGIN
    assert "retry-after" in answer["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer


def test_no_other_origin_and_no_other_path_is_opened(api, settings):
    assert "Access-Control-Allow-Origin" not in api.get(NOTES, headers={"Origin": ORIGIN})
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]

    stranger = api.get(NOTES, headers={"Origin": "https://evil.example"})
    outside = api.get("/healthz", headers={"Origin": ORIGIN})

    assert "Access-Control-Allow-Origin" not in stranger
    assert "Access-Control-Allow-Origin" not in outside


@pytest.mark.parametrize(
    ("path", "wanted", "unwanted"),
    [
        ("/api/v1/health", "default-src 'none'", "script-src"),
        ("/healthz", "default-src 'none'", "script-src"),
        ("/nowhere", "default-src 'none'", "script-src"),
        ("/docs/api/", "script-src 'self';", "unsafe-eval"),
        ("/admin/login/", "script-src 'self' 'unsafe-eval'", "script-src 'self' 'unsafe-inline'"),
    ],
)
def test_each_path_has_the_narrowest_content_policy(client, path, wanted, unwanted):
    policy = client.get(path)["Content-Security-Policy"]

    assert wanted in policy
    assert unwanted not in policy
    assert "frame-ancestors 'none'" in policy


def test_answers_do_not_let_a_browser_guess_their_type(client):
    answer = client.get("/healthz")

    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"


@pytest.mark.django_db
def test_the_api_speaks_english_whatever_the_client_prefers(api):
    response = api.post("/api/v1/domains", {}, headers={"Accept-Language": "pt"})

    assert response.json()["errors"][0]["detail"] == "This field is required."
