"""One effect and one answer for one ``Idempotency-Key``."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone

from common.errors import Conflict
from conftest import client_of
from domains.models import Domain
from tenants.idempotency import Answer, Once, purge_expired
from tenants.models import IdempotencyRecord
from tenants.tasks import purge_idempotency_records

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tenants.tests.urls")]
NOTES = "/api/v1/notes"


def post(api, key, body=None, path=NOTES):
    return api.post(path, body or {"name": "a"}, headers={"Idempotency-Key": key})


def test_a_repeated_request_gets_the_first_answer_again_and_does_nothing(api):
    first, second = post(api, "k"), post(api, "k")

    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert Domain.objects.count() == 1


def test_without_the_header_every_request_counts(api):
    api.post(NOTES, {"name": "a"})
    api.post(NOTES, {"name": "a"})

    assert Domain.objects.count() == 2


def test_the_same_key_with_another_body_is_refused(api):
    post(api, "k")

    answer = post(api, "k", {"name": "b"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "idempotency_key_reused"
    assert Domain.objects.count() == 1


def test_what_a_test_key_did_does_not_count_for_a_live_one(api, tenant):
    rehearsed = post(client_of(tenant, mode="test"), "k")

    answer = post(api, "k")

    assert (rehearsed.status_code, answer.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in answer
    assert post(api, "k")["Idempotent-Replayed"] == "true"
    assert Domain.objects.count() == 2


def test_a_refused_request_does_not_use_up_the_key(api):
    assert post(api, "k", {"name": ""}).status_code == 422

    assert post(api, "k").status_code == 201


def test_a_request_that_broke_left_neither_effect_nor_answer(api):
    api.raise_request_exception = False
    assert post(api, "k", {"name": "broken"}).status_code == 500

    assert not Domain.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_a_key_counts_again_after_24_hours(api):
    post(api, "k")
    yesterday = timezone.now() - timedelta(hours=24, seconds=1)
    IdempotencyRecord.objects.update(created_at=yesterday)

    answer = post(api, "k", {"name": "b"})

    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer
    assert Domain.objects.count() == 2
    assert post(api, "k", {"name": "b"})["Idempotent-Replayed"] == "true"


def test_another_tenant_may_use_the_same_key(api, other_api):
    first, theirs = post(api, "k"), post(other_api, "k", {"name": "b"})

    assert [first.status_code, theirs.status_code] == [201, 201]
    assert first.json() != theirs.json()


def test_another_key_of_the_tenant_gets_the_same_answer(api, tenant):
    first = post(api, "k")

    assert post(client_of(tenant), "k").json() == first.json()


@pytest.mark.parametrize(
    ("key", "status"),
    [("k" * 256, 201), ("k" * 257, 400), ("", 400), ("a\tb", 400), ("k e y", 201)],
)
def test_a_key_has_1_to_256_printable_characters(api, key, status):
    assert post(api, key).status_code == status


def test_old_records_are_purged_and_young_ones_kept(api):
    post(api, "old")
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    post(api, "young")

    purge_idempotency_records()

    assert IdempotencyRecord.objects.count() == 1
    assert purge_expired() == 0
    assert post(api, "young")["Idempotent-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_50_parallel_requests_have_one_effect(tenant):
    together = Barrier(10)

    def ask(number: int) -> tuple[int, str | None, bytes]:
        try:
            if number < 10:
                together.wait(timeout=30)
            answer = post(client, "k")
            return answer.status_code, answer.get("Idempotent-Replayed"), answer.content
        finally:
            connections.close_all()

    client = client_of(tenant)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(ask, range(50)))

    accepted = [answer for answer in answers if answer[0] == 201]
    assert {status for status, _, _ in answers} <= {201, 409}
    assert Domain.objects.count() == 1
    assert len([one for one in accepted if one[1] is None]) == 1
    assert len({content for _, _, content in accepted}) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_at_work_one_is_done_and_the_other_gets_its_answer_or_409(tenant):
    once = Once.of(tenant=tenant, key="k", request=b"POST /x\n{}")
    started, finish = Barrier(2), Barrier(2)

    def made(name: str) -> Answer:
        Domain.objects.create(tenant=tenant, name=name)
        return Answer(201, {"name": name})

    def slow() -> Answer:
        answer = made("slow.example")
        started.wait(timeout=30)
        finish.wait(timeout=30)
        return answer

    def outcome(work: Callable[[], Answer]) -> Answer | Conflict:
        try:
            return once.run(work)
        except Conflict as conflict:
            return conflict
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(outcome, slow)
        started.wait(timeout=30)
        second = pool.submit(outcome, lambda: made("quick.example"))
        finish.wait(timeout=30)
        outcomes = [first.result(), second.result()]

    kept = IdempotencyRecord.objects.get().answer
    assert list(Domain.objects.values_list("name", flat=True)) == [kept["name"]]
    assert Answer(201, kept) in outcomes
    outcomes.remove(Answer(201, kept))
    assert outcomes == [Answer(201, kept, is_replay=True)] or isinstance(outcomes[0], Conflict)
