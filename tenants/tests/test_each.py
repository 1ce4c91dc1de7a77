"""One thing is done to each of many rows, once, whatever becomes of the worker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from common.clock import Clock
from common.errors import Conflict
from tenants import background, each, services
from tenants.each import IDS, ForEach
from tenants.models import APIKey, BackgroundJob

pytestmark = pytest.mark.django_db(transaction=True)


class Later(Clock):
    """A clock by which the lease of a lost worker is over."""

    def now(self):
        return super().now() + timedelta(hours=1)


class Killed(BaseException):
    """What no code catches, as a kill is."""


def revoke(key: APIKey) -> None:
    """Revoke a key and count how often that was done, in a column that has room."""
    if key.name == "kept":
        raise Conflict("This one stays.", code="stays")
    APIKey.objects.filter(pk=key.pk).update(name=key.name + "!", revoked_at=timezone.now())


@pytest.fixture(params=[False, True], ids=["in the step", "outside"])
def kind(monkeypatch, request) -> str:
    monkeypatch.setattr(background, "_kinds", dict(background._kinds))
    monkeypatch.setattr(each, "ROWS_AT_ONCE", 2)
    revocation = ForEach(
        label="Revocation",
        rows=lambda job: APIKey.objects.filter(tenant=job.tenant),
        verb=revoke,
        done="Revoked",
        words={"stays": "It stays."},
        waits=request.param,
    )
    background.register("revoke", revocation.kind())
    return "revoke"


def keys_of(tenant, *names: str) -> list[APIKey]:
    return [APIKey.issue(tenant=tenant, name=name, mode="live")[0] for name in names]


def names() -> list[str]:
    return list(APIKey.objects.order_by("pk").values_list("name", flat=True))


def started(kind, tenant, **params) -> BackgroundJob:
    return services.start_job(kind, tenant=tenant, created_by=None, params=params)


def ended(job: BackgroundJob) -> BackgroundJob:
    job.refresh_from_db()
    return job


def killed_at_step(number: int):
    """A wrapper of the database that dies at the end of a step, before its transaction is over."""
    seen = 0

    def die(execute, sql, params, many, context):
        nonlocal seen
        result = execute(sql, params, many, context)
        if sql.startswith("UPDATE") and "tenants_backgroundjob" in sql and "strikes" in sql:
            seen += 1
            if seen == number + 1:  # the first is the claim
                raise Killed
        return result

    return connection.execute_wrapper(die)


def test_all_rows_that_the_kind_finds_are_done_but_none_that_came_later(kind, tenant, monkeypatch):
    keys_of(tenant, "a", "b", "c")
    count = ForEach._count

    def and_one_comes(self, run):
        count(self, run)
        keys_of(tenant, "late")

    monkeypatch.setattr(ForEach, "_count", and_one_comes)
    job = started(kind, tenant)

    background.work_off()

    assert (ended(job).status, job.total, job.done) == ("done", 3, 3)
    assert job.result == {"done": 3, "refused": 0}
    assert names() == ["a!", "b!", "c!", "late"]


def test_named_rows_alone_are_done_and_what_is_gone_is_passed_over(kind, tenant):
    first, gone, third, _left = keys_of(tenant, "a", "b", "c", "d")
    job = started(kind, tenant, **{IDS: [first.pk, gone.pk, third.pk]})
    gone.delete()

    background.work_off()

    assert (ended(job).status, job.done) == ("done", 3)
    assert job.result == {"done": 2, "refused": 0}
    assert names() == ["a!", "c!", "d"]


def test_a_row_that_refuses_is_named_and_stops_no_other(kind, tenant):
    keys = keys_of(tenant, "a", "kept", "c")
    job = started(kind, tenant, **{IDS: [key.pk for key in keys]})

    background.work_off()

    assert ended(job).result == {"done": 2, "refused": 1}
    (problem,) = job.problems.all()
    assert (problem.line, problem.value, problem.code) == (2, str(keys[1]), "stays")
    assert names() == ["a!", "kept", "c!"]


def test_another_tenants_row_is_not_there(kind, tenant, other_tenant):
    (theirs,) = keys_of(other_tenant, "theirs")
    job = started(kind, tenant, **{IDS: [theirs.pk]})

    background.work_off()

    assert ended(job).result == {"done": 0, "refused": 0}
    assert names() == ["theirs"]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_whoever_goes_on_after_a_kill_repeats_nothing_that_was_counted(kind, tenant, step):
    keys = keys_of(tenant, "a", "b", "kept", "d", "e")
    job = started(kind, tenant, **{IDS: [key.pk for key in keys]})
    with killed_at_step(step), pytest.raises(Killed):
        background.work_off()

    background.work_off(clock=Later())

    assert (ended(job).status, job.done) == ("done", 5)
    assert job.result == {"done": 4, "refused": 1}
    assert job.problems.count() == 1
    repeated = [name for name in names() if name.endswith("!!")]
    is_outside = background.kind_of(job).work.__self__.waits
    assert len(repeated) <= (1 if is_outside else 0)
    assert [name.rstrip("!") for name in names() if name.endswith("!")] == ["a", "b", "d", "e"]
