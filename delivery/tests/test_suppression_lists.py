"""Lists of addresses that are taken over and given away, whatever becomes of the worker."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from common.errors import Refused
from delivery import suppression_lists
from delivery.models import Suppression
from delivery.services import suppress
from delivery.suppression_lists import start_export, start_import
from logs.tests.builders import an_email
from tenants import background
from tenants.background import job_storage, output_paths
from tenants.models import BackgroundJob
from tests.servers.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

# A worker that is killed at the end of a step, before its transaction is committed.
DOOMED = """
import os, signal
import django
django.setup()
from django.db import connection
from tenants import background
updates = 0

def die(execute, sql, params, many, context):
    global updates
    result = execute(sql, params, many, context)
    if sql.startswith("UPDATE") and "tenants_backgroundjob" in sql:
        updates += 1
        if updates == {number}:
            os.kill(os.getpid(), signal.SIGKILL)
    return result

with connection.execute_wrapper(die):
    background.work_off()
"""


def taken_over(text: str | bytes, tenant, **fields) -> BackgroundJob:
    """The job after it took the list over."""
    content = text if isinstance(text, bytes) else text.encode()
    file = ContentFile(content, name="list.csv")
    job = start_import(file, tenant=tenant, created_by=None, **fields)
    background.work_off()
    job.refresh_from_db()
    return job


def problems(job: BackgroundJob) -> list[tuple[int, str, str]]:
    return list(job.problems.order_by("line").values_list("line", "value", "code"))


def entries() -> list[tuple[str, str, str]]:
    rows = Suppression.objects.order_by("address", "topic")
    return list(rows.values_list("address", "topic", "reason"))


def given_away(tenant, **filters) -> str:
    job = start_export(tenant=tenant, created_by=None, filters=filters)
    background.work_off()
    job.refresh_from_db()
    assert job.status == "done"
    parts = []
    for path in output_paths(job):
        with job_storage().open(path, "rb") as file:
            parts.append(file.read())
    return b"".join(parts).decode()


# Reading


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_with_a_header_is_taken_over(tenant, mark, separator, end):
    lines = [
        ["Topic", "E-mail", "Name", "Reason", "expires_at"],
        ["newsletter", "Ana@Example.com", "Ana", "unsubscribed", "2999-12-31"],
        ["", "rui@example.com", "Rui", "", ""],
    ]

    job = taken_over(mark + end.join(separator.join(line) for line in lines), tenant)

    assert (job.status, job.result) == ("done", {"added": 2, "extended": 0, "refused": 0})
    assert entries() == [
        ("ana@example.com", "newsletter", "unsubscribed"),
        ("rui@example.com", "", "manual"),
    ]
    ends = Suppression.objects.get(address="ana@example.com").expires_at
    assert ends == datetime(2999, 12, 31, tzinfo=UTC)  # Lisbon's winter


def test_a_bare_list_of_addresses_is_taken_over_with_what_holds_for_all(tenant):
    job = taken_over(
        "ana@example.com\n\nRui <rui@example.com>\n", tenant, reason="complaint", topic="news"
    )

    assert job.status == "done"
    assert entries() == [
        ("ana@example.com", "news", "complaint"),
        ("rui@example.com", "news", "complaint"),
    ]


def test_lines_that_can_not_be_taken_are_listed_with_number_and_reason(tenant):
    suppress("known@example.com", tenant=tenant)
    lines = [
        "address;reason;topic;expires_at",
        "ana@example.com;;;",
        "nonsense;;;",
        ";manual;;",
        "b@example.com;because;;",
        f"c@example.com;;{'x' * 51};",
        "d@example.com;;;tomorrow",
        "e@example.com;;;2020-01-01",
        "ANA@example.com;;;",
        "known@example.com;;;",
        '"f@example.com;;;',
        "g@example.com" + "x" * 9000,
        "",
        "last@example.com",
    ]

    job = taken_over("\n".join(lines).encode() + b"\njos\xe9@example.com", tenant)

    assert [(line, code) for line, _value, code in problems(job)] == [
        (3, "bad_address"),
        (4, "no_address"),
        (5, "bad_reason"),
        (6, "bad_topic"),
        (7, "bad_end"),
        (8, "past"),
        (9, "exists"),
        (10, "exists"),
        (11, "not_csv"),
        (12, "too_long"),
        (15, "not_utf8"),
    ]
    assert job.result == {"added": 2, "extended": 0, "refused": 11}
    assert {address for address, _topic, _reason in entries()} == {
        "ana@example.com",
        "known@example.com",
        "last@example.com",
    }


def test_a_line_that_lasts_longer_replaces_an_entry(tenant):
    soon = timezone.now() + timedelta(days=1)
    suppress("ana@example.com", tenant=tenant, reason="soft_bounces", expires_at=soon)

    job = taken_over("ana@example.com", tenant)

    assert (entries(), job.result["extended"]) == ([("ana@example.com", "", "manual")], 1)


def test_another_tenants_entry_is_in_nobodys_way(tenant, other_tenant):
    suppress("ana@example.com", tenant=other_tenant)

    assert taken_over("ana@example.com", tenant).result["added"] == 1
    assert Suppression.objects.for_tenant(tenant).count() == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("address\n".encode("utf-16"), "not_utf8"),
        (b"\n\n", "no_address"),
        (b"email\n", "no_address"),
    ],
)
def test_a_file_that_is_no_list_fails_and_says_why(tenant, content, code):
    job = taken_over(content, tenant)

    assert (job.status, job.error) == ("failed", code)


def test_bytes_that_mean_nothing_are_refused_line_by_line(tenant):
    job = taken_over(bytes(range(256)) * 40, tenant)

    assert job.status == "done"
    assert job.result["added"] == 0
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("size", [0, suppression_lists.FILE_LIMIT_BYTES + 1])
def test_a_file_that_is_empty_or_too_large_is_refused(tenant, size):
    file = ContentFile(b"", name="list.csv")
    file.size = size

    with pytest.raises(Refused):
        start_import(file, tenant=tenant, created_by=None)

    assert not BackgroundJob.objects.exists()


def test_the_list_itself_is_not_kept(tenant):
    file = ContentFile(b"ana@example.com", name="list.csv")
    job = start_import(file, tenant=tenant, created_by=None)
    path = job.input_path

    background.work_off()

    assert not job_storage().exists(path)


# What a killed worker leaves


def database_url() -> str:
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    return f"mysql://root@127.0.0.1:3306/{settings['NAME']}"


def killed_at_update(number: int) -> None:
    """Let a worker process take the next job until it is killed, and its lease run out."""
    env = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "sendcraft_project.settings.embedded",
        "BROKER_URL": "",
    }
    worker = subprocess.run(
        [sys.executable, "-c", DOOMED.format(number=number)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        timeout=60,
    )
    assert worker.returncode == -signal.SIGKILL, worker.stderr.decode()
    running = BackgroundJob.objects.filter(status="running")
    assert running.update(leased_until=timezone.now() - timedelta(seconds=1)) == 1


def test_five_thousand_lines_are_there_exactly_once_whatever_is_killed_in_between(tenant):
    lines = [f"r{number}@example.com" for number in range(5000)]
    for bad in range(0, 5000, 100):
        lines[bad] = f"bad {bad}"
    job = start_import(
        ContentFile("\n".join(lines).encode(), name="list.csv"), tenant=tenant, created_by=None
    )

    killed_at_update(6)
    job.refresh_from_db()
    after_first = job.done
    killed_at_update(4)
    job.refresh_from_db()
    after_second = job.done
    background.work_off()

    job.refresh_from_db()
    assert (after_first, after_second) == (1500, 2500)
    assert (job.status, job.done, job.strikes) == ("done", 5000, 0)
    assert job.result == {"added": 4950, "extended": 0, "refused": 50}
    assert [line for line, _value, _code in problems(job)] == list(range(1, 5001, 100))
    wanted = {line for line in lines if "@" in line}
    assert Suppression.objects.count() == len(wanted)
    assert set(Suppression.objects.values_list("address", flat=True)) == wanted


# Giving away


def test_an_export_can_be_taken_over_again(tenant, other_tenant):
    ends = datetime(2999, 1, 1, tzinfo=UTC)
    suppress("+tag@example.com", tenant=tenant, topic="=1+1")
    suppress("ana@example.com", tenant=tenant, reason="soft_bounces", expires_at=ends)
    suppress("josé@example.com", tenant=tenant, source=an_email(tenant))
    suppress("theirs@example.com", tenant=other_tenant)
    before = list(
        Suppression.objects.for_tenant(tenant)
        .order_by("pk")
        .values_list("address", "topic", "reason", "expires_at")
    )

    written = given_away(tenant)
    Suppression.objects.for_tenant(tenant).delete()
    job = taken_over(written, tenant)

    assert job.result == {"added": 3, "extended": 0, "refused": 0}
    assert before == list(
        Suppression.objects.for_tenant(tenant)
        .order_by("pk")
        .values_list("address", "topic", "reason", "expires_at")
    )


def test_nothing_in_an_export_is_a_formula(tenant):
    for number, start in enumerate("=+-@"):
        local_part = '"@x"' if start == "@" else f"{start}cmd"
        suppress(f"{local_part}@example.com", tenant=tenant, topic=f"{start}{number}")

    rows = list(csv.reader(io.StringIO(given_away(tenant).removeprefix("\ufeff"))))

    assert len(rows) == 5
    assert not [cell for row in rows for cell in row if cell.startswith(tuple("=+-@"))]


def test_an_export_is_narrowed_by_reason_topic_and_force(tenant):
    past = timezone.now() - timedelta(days=1)
    suppress("ended@example.com", tenant=tenant, topic="news", expires_at=past)
    suppress("news@example.com", tenant=tenant, topic="news")
    suppress("complaint@example.com", tenant=tenant, reason="complaint")

    assert "ended@" in given_away(tenant)
    assert "ended@" not in given_away(tenant, in_force=True)
    assert "complaint@" not in given_away(tenant, topic="news")
    assert "news@" not in given_away(tenant, reason="complaint")


def test_an_export_of_nothing_is_a_header(tenant):
    assert given_away(tenant).removeprefix("\ufeff").strip() == ",".join(
        f'"{name}"' for name in suppression_lists.HEADER
    )


def test_a_long_export_is_whole_although_it_is_written_in_parts(tenant, monkeypatch):
    monkeypatch.setattr(suppression_lists, "ROWS_AT_ONCE", 10)
    for number in range(30):
        suppress(f"r{number}@example.com", tenant=tenant)

    rows = given_away(tenant).splitlines()

    assert len(rows) == len(set(rows)) == 31


def test_a_list_takes_both_of_two_addresses_that_differ_in_an_accent(tenant):
    file = ContentFile("josé@example.com\njose@example.com\n".encode(), name="list.csv")
    job = start_import(file, tenant=tenant, created_by=None)

    background.work_off()

    job.refresh_from_db()
    kept = set(Suppression.objects.values_list("address", flat=True))
    assert kept == {"josé@example.com", "jose@example.com"}
    assert job.result["added"] == 2
