"""Long work goes on after a kill, counts nothing twice, and stops when a person wants it to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from celery import Celery, current_app
from django.core.files.base import ContentFile
from django.utils import timezone

from common.clock import Clock
from common.errors import Conflict
from sendcraft_project.settings.base import broker_options
from tenants import background, services, tasks
from tenants.background import JobFailed, JobKind, JobRun, job_storage, output_paths
from tenants.models import BackgroundJob, JobProblem, Tenant

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


class Shifted(Clock):
    """A clock that is ahead, and of which every look takes its time."""

    def __init__(self, ahead: timedelta = timedelta(0), *, per_look: float = 0) -> None:
        self._ahead, self._per_look, self._looks = ahead, per_look, 0

    def now(self):
        return super().now() + self._ahead

    def monotonic(self) -> float:
        self._looks += 1
        return super().monotonic() + self._looks * self._per_look


@pytest.fixture
def kind(monkeypatch) -> Callable[[Callable[[JobRun], None]], str]:
    """Registers a function as a kind for this test and returns its name."""
    monkeypatch.setattr(background, "_kinds", dict(background._kinds))

    def register(work: Callable[[JobRun], None]) -> str:
        words = {"too_odd": "Too odd."}
        background.register("test", JobKind(label="Test", work=work, words=words))
        return "test"

    return register


def count_to(most: int) -> Callable[[JobRun], None]:
    """Work that counts, each number in a step, and says in its result which it passed."""

    def work(run: JobRun) -> None:
        while run.job.done < most:
            with run.step() as job:
                job.total = most
                job.done += 1
                job.result = {"passed": [*job.result.get("passed", []), job.done]}

    return work


def started(kind: str, tenant: Tenant, **fields) -> BackgroundJob:
    return services.start_job(kind, tenant=tenant, created_by=None, **fields)


def fresh(job: BackgroundJob) -> BackgroundJob:
    return BackgroundJob.objects.get(pk=job.pk)


def test_a_job_is_worked_off_and_says_how_far_it_came(kind, tenant):
    job = started(kind(count_to(3)), tenant)

    background.work_off()

    job = fresh(job)
    assert (job.status, job.done, job.total, job.percent) == ("done", 3, 3, 100)
    assert job.result == {"passed": [1, 2, 3]}
    assert job.started_at <= job.finished_at


def test_two_workers_never_have_the_same_job(kind, tenant):
    started(kind(count_to(1)), tenant)
    now = timezone.now()

    assert background.claim(at=now) is not None
    assert background.claim(at=now) is None


def test_whoever_finds_a_job_without_its_worker_goes_on_where_that_stopped(kind, tenant):
    name = kind(count_to(5))
    job = started(name, tenant)
    lost = JobRun(background.claim(at=timezone.now()), clock=Clock())
    for _ in range(2):
        with lost.step() as row:
            row.done, row.result = row.done + 1, {"passed": list(range(1, row.done + 2))}

    background.work_off(clock=Shifted(HOUR))

    assert (fresh(job).status, fresh(job).result) == ("done", {"passed": [1, 2, 3, 4, 5]})


def test_a_worker_that_slept_past_its_lease_changes_nothing_any_more(kind, tenant):
    job = started(kind(count_to(5)), tenant)
    slept = JobRun(background.claim(at=timezone.now()), clock=Clock())
    taken_over = background.claim(at=timezone.now() + HOUR)

    with pytest.raises(background._Lost), slept.step() as row:
        row.done = 99
    slept.finish("failed")

    assert (fresh(job).status, fresh(job).done) == ("running", 0)
    assert fresh(job).lease_token == taken_over.lease_token


def test_a_step_that_fails_is_not_counted(kind, tenant):
    def work(run: JobRun) -> None:
        with run.step() as job:
            job.done = 1
        with run.step() as job:
            job.done = 2
            run.refuse([JobProblem(job=job, line=2, code="too_odd")])
            raise ZeroDivisionError

    job = started(kind(work), tenant)

    background.work_off()

    assert (fresh(job).status, fresh(job).error, fresh(job).done) == ("failed", "internal_error", 1)
    assert not JobProblem.objects.exists()


def test_what_can_not_be_done_fails_with_its_own_word(kind, tenant):
    def work(run: JobRun) -> None:
        raise JobFailed("too_odd")

    job = started(kind(work), tenant)

    background.work_off()

    assert (fresh(job).status, fresh(job).error) == ("failed", "too_odd")


def test_a_kind_that_nobody_knows_fails_and_holds_up_nothing(tenant):
    job = started("from.another.version", tenant)

    background.work_off()

    assert fresh(job).status == "failed"


def test_long_jobs_take_turns(kind, tenant, other_tenant):
    name = kind(count_to(3))
    first, second = started(name, tenant), started(name, other_tenant)
    slow = Shifted(per_look=background.TURN_SECONDS)

    background.work_off(clock=slow)
    background.work_off(clock=slow)

    assert [(fresh(job).status, fresh(job).done) for job in (first, second)] == [("queued", 1)] * 2
    for _ in range(6):
        background.work_off(clock=slow)
    assert {fresh(first).status, fresh(second).status} == {"done"}


def test_a_job_that_kills_its_worker_again_and_again_is_given_up(kind, tenant):
    job = started(kind(count_to(3)), tenant)
    for hours in range(background.MOST_STRIKES):
        assert background.claim(at=timezone.now() + hours * HOUR) is not None

    background.work_off(clock=Shifted(10 * HOUR))

    assert (fresh(job).status, fresh(job).error) == ("failed", "gave_up")


def test_getting_on_takes_the_strikes_away(kind, tenant):
    job = started(kind(count_to(3)), tenant)
    for hours in range(2 * background.MOST_STRIKES):
        run = JobRun(background.claim(at=timezone.now() + hours * HOUR), clock=Clock())
        with run.step() as row:
            row.done += 1

    assert fresh(job).strikes == 0


def test_a_waiting_job_is_cancelled_at_once_and_its_file_goes(kind, tenant):
    job = started(kind(count_to(3)), tenant, input_file=ContentFile(b"x", name="x"))
    path = job.input_path
    assert job_storage().exists(path)

    services.cancel_job(job, at=timezone.now())
    background.work_off()

    assert (fresh(job).status, fresh(job).done) == ("cancelled", 0)
    assert not job_storage().exists(path)


def test_a_running_job_stops_at_its_next_step(kind, tenant):
    def work(run: JobRun) -> None:
        run.keep_part(b"half")
        with run.step() as job:
            job.output_parts, job.done = 1, 1
        services.cancel_job(run.job, at=timezone.now())
        count_to(9)(run)

    job = started(kind(work), tenant)

    background.work_off()

    assert (fresh(job).status, fresh(job).done) == ("cancelled", 2)
    assert not job_storage().exists(f"jobs/{tenant.pk}/{job.public_id}/000000")


def test_what_is_over_can_not_be_cancelled(kind, tenant):
    job = started(kind(count_to(1)), tenant)
    background.work_off()

    with pytest.raises(Conflict):
        services.cancel_job(job, at=timezone.now())


def test_old_jobs_go_with_their_files(kind, tenant):
    def work(run: JobRun) -> None:
        run.keep_part(b"made")
        with run.step() as job:
            job.output_parts = 1

    old, new = started(kind(work), tenant), started("test", tenant)
    background.work_off()
    background.work_off()
    BackgroundJob.objects.filter(pk=old.pk).update(finished_at=timezone.now() - background.KEPT)
    paths = output_paths(fresh(old)) + output_paths(fresh(new))

    assert background.purge(at=timezone.now()) == 1

    assert [job_storage().exists(path) for path in paths] == [False, True]
    assert list(BackgroundJob.objects.all()) == [new]


def rings() -> int:
    with current_app.connection_for_read() as connection:
        queue = connection.SimpleQueue(background.QUEUE)
        count = queue.qsize()
        queue.clear()
        return count


def test_beat_rings_where_a_job_waits_or_lost_its_worker_and_nowhere_else(kind, tenant):
    rings()
    tasks.ring_for_jobs()
    assert rings() == 0

    job = started(kind(count_to(1)), tenant)
    assert rings() == 1
    tasks.ring_for_jobs()
    assert rings() == 1
    background.claim(at=timezone.now())
    tasks.ring_for_jobs()
    assert rings() == 0
    BackgroundJob.objects.update(leased_until=timezone.now() - HOUR)
    tasks.ring_for_jobs()
    assert rings() == 1

    tasks.work_off_jobs()
    assert (fresh(job).status, rings()) == ("done", 0)


def test_a_job_is_accepted_while_the_broker_is_down(kind, tenant, caplog, monkeypatch):
    name = kind(count_to(1))
    away = Celery("away", broker="redis://127.0.0.1:1/0", set_as_current=False)
    away.conf.update(broker_transport_options=broker_options("redis:"))
    away.conf.update(task_publish_retry=False)
    monkeypatch.setattr(background, "current_app", away)

    job = started(name, tenant)

    assert fresh(job).status == "queued"
    assert "the broker does not answer" in caplog.text
