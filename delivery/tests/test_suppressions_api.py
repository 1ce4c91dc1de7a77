"""``/suppressions``: who gets no mail."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from conftest import client_of
from delivery.models import Suppression
from delivery.services import suppress

URL = "/api/v1/suppressions"
pytestmark = pytest.mark.django_db


def test_an_address_is_added_listed_looked_up_and_removed(api):
    added = api.post(URL, {"address": "Ana@Example.com"})
    listed = api.get(URL).json()["results"]
    found = api.get(f"{URL}/ana@example.com")
    removed = api.delete(f"{URL}/ANA@example.com")

    assert added.status_code == 201
    assert added.json() == {
        "address": "ana@example.com",
        "reason": "manual",
        "topic": None,
        "source": None,
        "created_at": added.json()["created_at"],
        "expires_at": None,
    }
    assert listed == [added.json()]
    assert found.json() == added.json()
    assert removed.status_code == 204
    assert api.get(f"{URL}/ana@example.com").status_code == 404


def test_adding_twice_is_a_conflict(api):
    api.post(URL, {"address": "ana@example.com"})

    again = api.post(URL, {"address": "ana@example.com"})

    assert again.status_code == 409
    assert again.json()["errors"][0]["code"] == "exists"


def test_an_entry_that_has_ended_makes_room_for_a_new_one(api, tenant):
    suppress("ana@example.com", tenant=tenant, expires_at=timezone.now() - timedelta(days=1))

    again = api.post(URL, {"address": "ana@example.com"})

    assert again.status_code == 201
    assert again.json()["expires_at"] is None
    assert Suppression.objects.count() == 1


def test_a_shorter_entry_does_not_replace_a_longer_one(tenant):
    suppress("ana@example.com", tenant=tenant, reason="hard_bounce")
    in_a_day = timezone.now() + timedelta(days=1)

    suppress("ana@example.com", tenant=tenant, reason="soft_bounces", expires_at=in_a_day)

    entry = Suppression.objects.get()
    assert (entry.reason, entry.expires_at) == ("hard_bounce", None)


@pytest.mark.parametrize("address", ["a/b@example.com", "50%@example.com", "a+b?c#d@example.com"])
def test_any_address_can_be_looked_up_and_removed(api, address):
    api.post(URL, {"address": address})
    path = f"{URL}/{quote(address, safe='')}"

    assert api.get(path).json()["address"] == address
    assert api.delete(path).status_code == 204


def test_topics_stand_side_by_side_and_are_removed_alone(api, tenant):
    suppress("ana@example.com", tenant=tenant, topic="news")
    suppress("ana@example.com", tenant=tenant)

    widest = api.get(f"{URL}/ana@example.com").json()
    api.delete(f"{URL}/ana@example.com?topic=news")

    assert widest["topic"] is None
    assert list(Suppression.objects.values_list("topic", flat=True)) == [""]


@pytest.mark.parametrize(
    ("body", "code", "attr"),
    [
        ({}, "required", "address"),
        ({"address": "nonsense"}, "invalid", "address"),
        ({"address": "a@b.test", "topic": "a\nb"}, "invalid", "topic"),
        ({"address": "a@b.test", "reason": "because"}, "invalid_choice", "reason"),
        ({"address": "a@b.test", "source": "x"}, "unknown_field", "source"),
    ],
)
def test_a_bad_entry_is_refused(api, body, code, attr):
    response = api.post(URL, body)

    error = response.json()["errors"][0]
    assert response.status_code == 422
    assert (error["code"], error["attr"]) == (code, attr)


def test_filters_and_search_narrow_the_list(api, tenant):
    suppress("ana@example.com", tenant=tenant, reason="complaint")
    suppress("rui@example.com", tenant=tenant)

    assert len(api.get(f"{URL}?reason=complaint").json()["results"]) == 1
    assert len(api.get(f"{URL}?search=rui").json()["results"]) == 1
    assert api.get(f"{URL}?reason=nonsense").status_code == 400
    assert api.get(f"{URL}?colour=red").status_code == 400


def test_other_tenants_see_and_remove_nothing(api, other_api):
    api.post(URL, {"address": "ana@example.com"})

    assert other_api.get(URL).json()["results"] == []
    assert other_api.get(f"{URL}/ana@example.com").status_code == 404
    assert other_api.delete(f"{URL}/ana@example.com").status_code == 404
    assert Suppression.objects.count() == 1


def test_fifty_rows_cost_as_many_queries_as_one(api, tenant, django_assert_num_queries):
    suppress("a@example.com", tenant=tenant)
    api.get(URL)
    with django_assert_num_queries(2):
        api.get(URL)
    for number in range(60):
        suppress(f"r{number}@example.com", tenant=tenant)

    with django_assert_num_queries(2):
        assert len(api.get(URL).json()["results"]) == 50


def test_a_body_may_name_topic_reason_and_end(api):
    ends = (timezone.now() + timedelta(days=7)).replace(microsecond=0)
    body = {"address": "ana@example.com", "topic": "news", "reason": "complaint"}

    added = api.post(URL, body | {"expires_at": ends.isoformat()})

    entry = Suppression.objects.get()
    assert added.status_code == 201
    assert (entry.topic, entry.reason, entry.expires_at) == ("news", "complaint", ends)


def test_an_end_that_has_passed_is_refused(api):
    response = api.post(URL, {"address": "ana@example.com", "expires_at": "2020-01-01T00:00:00Z"})

    error = response.json()["errors"][0]
    assert response.status_code == 422
    assert (error["code"], error["attr"]) == ("past", "expires_at")


def test_entries_in_force_and_ended_ones_are_listed_apart(api, tenant):
    now = timezone.now()
    suppress("ended@example.com", tenant=tenant, expires_at=now - timedelta(seconds=1))
    suppress("ending@example.com", tenant=tenant, expires_at=now + timedelta(days=1))
    suppress("lasting@example.com", tenant=tenant, topic="news")

    def addresses(query: str) -> list[str]:
        return sorted(row["address"] for row in api.get(f"{URL}?{query}").json()["results"])

    assert addresses("in_force=true") == ["ending@example.com", "lasting@example.com"]
    assert addresses("in_force=false") == ["ended@example.com"]
    assert addresses("topic=news") == ["lasting@example.com"]
    assert api.get(f"{URL}?in_force=perhaps").status_code == 400


def test_a_misspelt_topic_removes_nothing(api, tenant):
    suppress("ana@example.com", tenant=tenant)

    response = api.delete(f"{URL}/ana@example.com?topics=news")

    assert response.status_code == 400
    assert Suppression.objects.count() == 1


def test_removing_without_a_topic_removes_all_and_with_an_empty_one_that_for_all_mail(api, tenant):
    for topic in ("", "news", "offers"):
        suppress("ana@example.com", tenant=tenant, topic=topic)

    api.delete(f"{URL}/ana@example.com?topic=")
    left = set(Suppression.objects.values_list("topic", flat=True))
    api.delete(f"{URL}/ana@example.com")

    assert left == {"news", "offers"}
    assert not Suppression.objects.exists()


def test_another_tenants_entry_is_as_unknown_as_any(api, other_api):
    api.post(URL, {"address": "ana@example.com"})

    theirs = other_api.get(f"{URL}/ana@example.com")
    nobodys = other_api.get(f"{URL}/nobody@example.com")

    assert (theirs.status_code, theirs.json()) == (404, nobodys.json())


@pytest.mark.parametrize(("scope", "may"), [("suppressions:write", True), ("emails:send", False)])
def test_the_scope_covers_reading_and_writing(tenant, scope, may):
    client = client_of(tenant, scopes=[scope])

    answers = [
        client.get(URL).status_code,
        client.post(URL, {"address": "ana@example.com"}).status_code,
        client.delete(f"{URL}/ana@example.com").status_code,
    ]

    assert answers == ([200, 201, 204] if may else [403, 403, 403])


def test_addresses_that_differ_in_an_accent_are_two(api, tenant):
    accented = api.post(URL, {"address": "josé@example.com"})
    plain = api.post(URL, {"address": "jose@example.com"})
    removed = api.delete(f"{URL}/{quote('jose@example.com')}")

    assert (accented.status_code, plain.status_code, removed.status_code) == (201, 201, 204)
    assert [entry.address for entry in Suppression.objects.all()] == ["josé@example.com"]


@pytest.mark.parametrize("asked", ["address=JOÃO@BÜCHER.example", "search=JOÃO", "search=São+JOÃO"])
def test_the_list_is_searched_in_any_letter_case(api, asked):
    api.post(URL, {"address": "são.joão@bücher.example"})
    api.post(URL, {"address": "joão@bücher.example"})
    api.post(URL, {"address": "joao@bücher.example"})

    found = api.get(f"{URL}?{asked}")

    named = {entry["address"].partition("@")[0] for entry in found.json()["results"]}
    both = {"joão", "são.joão"}
    expected = {"search=JOÃO": both, "search=São+JOÃO": {"são.joão"}}.get(asked, {"joão"})
    assert named == expected


def test_a_filter_that_is_no_address_finds_nobody(api):
    api.post(URL, {"address": "ana@example.com"})

    found = api.get(f"{URL}?address=ana")

    assert (found.status_code, found.json()["results"]) == (200, [])
