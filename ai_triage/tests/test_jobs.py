"""Workers judge what waits: each mail once in effect, whatever becomes of worker or provider."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from celery import current_app
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_triage import cases, claims, jobs
from ai_triage.alerts import tell_of_cost_limits
from ai_triage.jobs import Drain
from ai_triage.models import ReviewReason, Status, TriageResult, TriageSettings
from ai_triage.signals import triage_completed, triage_failed
from ai_triage.tests.mails import BATCH, EMAILS, PROCESS, QUESTION, questions
from delivery import stopping
from tenants.models import Membership, Role
from tests.servers.google import BAD_KEY, rate_limited
from tests.servers.model_server import HANG, verdict
from tests.servers.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
SOON = timedelta(seconds=1)


def hand_in(api, *mails) -> None:
    assert api.post(BATCH, {"emails": list(mails)}).json()["rejected"] == []


def hand_in_alone(api, *mails) -> None:
    for one in mails:
        assert api.post(f"{PROCESS}?async=true", one).status_code == 202


def drain_later() -> None:
    """One drain when all waits are over, and the pause of the provider too."""
    cache.clear()
    TriageResult.objects.filter(status=Status.QUEUED).update(next_attempt_at=timezone.now())
    jobs.drain()


def statuses() -> dict[str, str]:
    return dict(TriageResult.objects.values_list("email_id", "status"))


@pytest.fixture
def announced():
    """Email ids as the signals told them."""
    told: dict[str, list[str]] = {"completed": [], "failed": []}

    def completed(result, **kwargs):
        told["completed"].append(result.email_id)

    def failed(result, **kwargs):
        told["failed"].append(result.email_id)

    triage_completed.connect(completed)
    triage_failed.connect(failed)
    yield told
    triage_completed.disconnect(completed)
    triage_failed.disconnect(failed)


def test_a_batch_is_judged_with_twenty_calls_at_once_and_no_more(api, google, announced):
    google.delay = 0.4
    hand_in(api, *questions(60))

    jobs.drain()

    assert set(statuses().values()) == {Status.COMPLETED}
    assert (len(google.requests), google.most_at_once) == (60, 20)
    assert sorted(announced["completed"]) == sorted(statuses())


def test_the_same_mail_many_times_costs_one_call(api, google):
    hand_in(api, *questions(30, body="Qual é o horário?", thread_id=""))

    jobs.drain()

    rows = TriageResult.objects.all()
    original = rows.get(cached_from=None)
    assert len(google.requests) == 1
    assert {row.cached_from_id for row in rows} == {None, original.pk}
    assert {(row.decision, row.suggested_body) for row in rows} == {
        ("respond", original.suggested_body)
    }
    assert sum(row.cost for row in rows) == original.cost > 0


def at_once(*works):
    """What each returns, all done at the same moment over connections of their own."""
    barrier = Barrier(len(works))

    def run(work):
        try:
            barrier.wait()
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return [one.result() for one in [pool.submit(run, work) for work in works]]


def test_workers_that_claim_at_once_get_different_mails(api):
    hand_in(api, *questions(60))

    def claim() -> list[int]:
        return [row.pk for row in claims.claim(at=timezone.now(), most=10)]

    claimed = at_once(*[claim] * 4)

    assert [len(ids) for ids in claimed] == [10] * 4
    assert len({pk for ids in claimed for pk in ids}) == 40


def test_two_drains_never_judge_one_mail_twice(api, google):
    google.delay = 0.05
    hand_in(api, *questions(60))

    at_once(jobs.drain, jobs.drain)

    assert len(google.requests) == 60
    assert set(statuses().values()) == {Status.COMPLETED}


def test_a_late_workers_result_is_refused(api, google):
    hand_in(api, QUESTION)
    at = timezone.now()
    [late] = cases.open_all(claims.claim(at=at, most=1), at=at)
    TriageResult.objects.update(lease_until=at)
    google.answers(verdict(urgency="high"))
    jobs.drain()
    asyncio.run(cases.judge(late, seconds=5))
    late.outcome = None

    assert cases.close(late, at=timezone.now()) is False

    row = TriageResult.objects.get()
    assert (row.status, row.urgency, row.attempt) == (Status.COMPLETED, "high", 2)


def test_a_mail_whose_worker_died_is_judged_once_its_lease_is_over(api, google, announced):
    hand_in(api, QUESTION)
    claims.claim(at=timezone.now(), most=1)

    jobs.drain()
    assert statuses() == {"msg_12345": Status.PROCESSING}
    TriageResult.objects.update(lease_until=timezone.now())
    jobs.drain()

    assert statuses() == {"msg_12345": Status.COMPLETED}
    assert (len(google.requests), announced["completed"]) == (1, ["msg_12345"])


def test_a_mail_that_kills_every_worker_is_given_up(api, announced):
    hand_in(api, QUESTION)
    for _ in range(cases.MOST_TRIES):
        claims.claim(at=timezone.now(), most=1)
        TriageResult.objects.update(lease_until=timezone.now())

    jobs.drain()

    assert statuses() == {"msg_12345": Status.FAILED}
    assert announced["failed"] == ["msg_12345"]


def test_a_mail_that_can_not_be_looked_at_does_not_stop_the_others(api, google):
    hand_in(api, *questions(3))
    TriageResult.objects.filter(email_id="q1").update(headers=["no object"])

    jobs.drain()

    assert statuses() == {"q0": "completed", "q1": "queued", "q2": "completed"}
    bad = TriageResult.objects.get(email_id="q1")
    assert (bad.error_code, bad.next_attempt_at > timezone.now()) == ("internal_error", True)


def test_while_no_model_can_be_reached_mail_waits_longer_each_time_and_then_needs_a_person(
    api, google, announced
):
    google.answers(rate_limited(retry_after="90"))
    hand_in(api, QUESTION)
    waits = []

    for _ in range(cases.MOST_TRIES - 1):
        drain_later()
        row = TriageResult.objects.get()
        assert (row.status, row.error_code) == (Status.QUEUED, "provider_unavailable")
        waits.append((row.next_attempt_at - timezone.now()).total_seconds())
    drain_later()

    row = TriageResult.objects.get()
    assert waits[:2] == pytest.approx([90, 90], abs=2)
    assert 3590 < waits[-1] < 4510
    assert (row.status, row.review_reason) == (Status.FAILED, ReviewReason.UNAVAILABLE)
    assert announced["failed"] == ["msg_12345"]
    google.answers(verdict())
    cache.clear()
    assert api.post(PROCESS, QUESTION).status_code == 200
    assert TriageResult.objects.get().needs_review is False


def test_a_refused_key_is_tried_once_and_all_mail_waits(api, google):
    google.answers(BAD_KEY)
    hand_in(api, *questions(30))

    jobs.drain()

    assert set(statuses().values()) == {Status.QUEUED}
    assert len(google.requests) <= 20
    google.answers(verdict())
    drain_later()
    assert set(statuses().values()) == {Status.COMPLETED}


@pytest.mark.parametrize("hand_in_again", [hand_in, hand_in_alone])
def test_a_mail_that_waits_for_its_next_try_gets_it_when_handed_in_again(
    api, google, hand_in_again
):
    google.answers(rate_limited(retry_after="300"), verdict())
    hand_in(api, QUESTION)
    jobs.drain()
    assert statuses() == {"msg_12345": Status.QUEUED}

    hand_in_again(api, QUESTION)
    jobs.drain()

    assert statuses() == {"msg_12345": Status.COMPLETED}


def test_a_failed_mail_of_a_batch_is_tried_again_in_the_next(api, google):
    google.answers("{}")
    hand_in(api, QUESTION)
    jobs.drain()
    assert statuses() == {"msg_12345": Status.FAILED}
    google.answers(verdict())

    hand_in(api, QUESTION)
    jobs.drain()

    assert statuses() == {"msg_12345": Status.COMPLETED}


def test_one_tenants_thousand_mails_do_not_hold_up_anothers(api, other_api, google):
    hand_in(api, *questions(100))
    hand_in(other_api, *questions(60))

    first, second = (claims.claim(at=timezone.now(), most=20) for _ in range(2))

    for claimed in (first, second):
        assert sorted(Counter(row.tenant.slug for row in claimed).values()) == [10, 10]


def test_what_a_tenant_leaves_of_its_share_goes_to_the_others(api, other_api):
    hand_in(api, *questions(100))
    hand_in(other_api, QUESTION)

    claimed = claims.claim(at=timezone.now(), most=20)

    assert sorted(Counter(row.tenant.slug for row in claimed).values()) == [1, 19]


def batched(rows) -> Counter[bool]:
    return Counter(row.batch_id is not None for row in rows)


def test_a_mail_on_its_own_goes_before_a_batch_that_came_first(api):
    hand_in(api, *questions(100))
    hand_in_alone(api, QUESTION)

    claimed = claims.claim(at=timezone.now(), most=10)

    assert len(claimed) == 10
    assert "msg_12345" in [row.email_id for row in claimed]


@pytest.mark.parametrize("most", [1, 20])
def test_neither_a_batch_nor_other_mail_starves(api, most):
    random.seed(1)
    mails = questions(120)
    hand_in(api, *mails[:60])
    hand_in_alone(api, *mails[60:])

    claimed = [row for _ in range(40 // most) for row in claims.claim(at=timezone.now(), most=most)]

    found = batched(claimed)
    assert found[False] > found[True] > 0
    assert most == 1 or found == {False: 30, True: 10}


def test_what_other_mail_leaves_goes_to_the_batch_and_the_reverse(api, other_api):
    mails = questions(40)
    hand_in(api, *mails[:38])
    hand_in_alone(api, *mails[38:])
    hand_in(other_api, *mails[:2])
    hand_in_alone(other_api, *mails[2:])

    claimed = claims.claim(at=timezone.now(), most=40)

    slugs = {row.tenant.slug for row in claimed}
    shares = {slug: batched(row for row in claimed if row.tenant.slug == slug) for slug in slugs}
    assert sorted(shares.values(), key=lambda share: share[True]) == [
        {False: 18, True: 2},
        {False: 2, True: 18},
    ]


def test_a_tenants_settings_are_read_once_for_all_its_mail(api, google):
    hand_in(api, *questions(10))
    rows = claims.claim(at=timezone.now(), most=10)

    with CaptureQueriesContext(connection) as captured:
        cases.open_all(rows, at=timezone.now())

    table = TriageSettings._meta.db_table
    assert len([query for query in captured if table in query["sql"]]) == 1


def test_mail_of_an_inactive_tenant_waits(tenant, api, google):
    hand_in(api, QUESTION)
    tenant.is_active = False
    tenant.save()

    jobs.drain()

    assert (statuses(), google.requests) == ({"msg_12345": Status.QUEUED}, [])


def test_to_wait_for_a_free_call_is_no_processing_time(api, google):
    google.delay = 0.3
    hand_in(api, *questions(40))

    began = time.monotonic()
    jobs.drain()
    both_rounds = time.monotonic() - began

    times = TriageResult.objects.values_list("processing_time_seconds", flat=True)
    assert min(times) >= 0.3
    assert sorted(times)[20] < 0.8 * both_rounds


def test_past_the_days_cost_limit_mail_waits_for_the_next_day_and_a_person_sees_it(
    tenant, other_tenant, api, google
):
    for one in (tenant, other_tenant):
        user = User.objects.create_user(one.slug, email="owner@staff.test")
        Membership.objects.create(tenant=one, user=user, role=Role.OWNER)
    TriageSettings.objects.create(tenant=other_tenant, daily_cost_limit=0)
    TriageSettings.objects.create(tenant=tenant, daily_cost_limit=Decimal("0.01"))
    first, second, third = questions(3)
    hand_in(api, first)
    jobs.drain()
    TriageResult.objects.update(cost=Decimal("0.01"))

    hand_in(api, second)
    jobs.drain()
    answer = api.post(PROCESS, third)

    row = TriageResult.objects.get(email_id="q1")
    midnight = row.next_attempt_at.astimezone(tenant.zone)
    assert len(google.requests) == 1
    assert (answer.status_code, answer.json()["estimated_time"] > 0) == (202, True)
    assert (row.status, row.error_code) == (Status.QUEUED, "cost_limit")
    assert (midnight.hour, midnight.minute, midnight > timezone.now()) == (0, 0, True)
    waiting = TriageResult.objects.waiting_for_review()
    assert waiting.filter(review_reason=ReviewReason.COST_LIMIT).count() == 2
    assert [tell_of_cost_limits(at=timezone.now()) for _ in range(2)] == [1, 0]
    (told,) = mail.outbox
    assert (told.to, "0.01" in told.body) == (["owner@staff.test"], True)
    tomorrow = timezone.now() + timedelta(days=1)
    assert tell_of_cost_limits(at=tomorrow) == 1
    TriageResult.objects.filter(email_id="q0").update(
        processed_at=timezone.now() - timedelta(days=2)
    )
    drain_later()
    assert set(statuses().values()) == {Status.COMPLETED}
    assert not waiting.filter(review_reason=ReviewReason.COST_LIMIT).exists()


def test_a_raised_limit_lets_mail_go_on_at_once(tenant, api, google):
    wants = TriageSettings.objects.create(tenant=tenant, daily_cost_limit=0)
    hand_in(api, QUESTION)
    jobs.drain()
    wants.save()
    jobs.drain()
    assert (statuses(), google.requests) == ({"msg_12345": Status.QUEUED}, [])

    wants.daily_cost_limit = 1
    wants.save()
    jobs.drain()

    assert statuses() == {"msg_12345": Status.COMPLETED}
    assert TriageResult.objects.get().needs_review is False


def test_what_costs_nothing_goes_on_past_the_limit(tenant, api, google):
    TriageSettings.objects.create(tenant=tenant, daily_cost_limit=0)
    newsletter = QUESTION | {"headers": {"List-Unsubscribe": "<https://x.example/u>"}}

    answer = api.post(PROCESS, newsletter).json()

    assert (answer["decision"], answer["email_type"]) == ("ignore", "newsletter")


def test_another_tenants_spending_does_not_count(tenant, other_api, api, google):
    TriageSettings.objects.create(tenant=tenant, daily_cost_limit=Decimal("0.01"))
    other_api.post(PROCESS, QUESTION)
    TriageResult.objects.update(cost=1)

    assert api.post(PROCESS, QUESTION).status_code == 200


def test_a_worker_that_has_to_stop_puts_its_mail_back(api, google, monkeypatch):
    monkeypatch.setattr(jobs, "GRACE_SECONDS", 0.0)
    google.answers(HANG)
    hand_in(api, *questions(30))

    def drain() -> None:
        try:
            asyncio.run(Drain().run())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        draining = pool.submit(drain)
        until(lambda: len(google.requests) == 20, timeout=10, what="twenty calls")
        stopping.ask()
        draining.result(timeout=10)
    stopping.forget()

    assert set(statuses().values()) == {Status.QUEUED}
    google.answers(verdict())
    jobs.drain()
    assert set(statuses().values()) == {Status.COMPLETED}


def rings() -> int:
    with current_app.connection() as broker:
        return broker.default_channel._size("triage")


def test_what_waits_is_rung_for_once_and_again_by_the_sweep(api, google):
    hand_in(api, *questions(3))
    before = rings()
    hand_in(api, QUESTION)
    assert rings() == before

    cache.clear()
    jobs.sweep()
    assert rings() == before + 1
    jobs.drain()
    jobs.sweep()

    assert rings() == before + 1
    assert api.get(f"{EMAILS}/msg_12345/status").json()["status"] == "completed"


def test_mail_that_waits_for_a_provider_goes_on_once_somebody_gets_an_answer(api, google):
    google.answers(BAD_KEY)
    hand_in(api, *questions(3))
    jobs.drain()
    google.answers(verdict())
    before = rings()

    assert api.post(PROCESS, QUESTION).json()["decision"] == "respond"
    assert rings() == before + 1
    jobs.go_on()
    jobs.drain()

    assert set(statuses().values()) == {Status.COMPLETED}
