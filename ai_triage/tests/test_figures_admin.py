"""Staff see their own tenants' figures, calibration and evaluations, and change none of them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_triage import analytics
from ai_triage.models import EvaluationRun, TriageAnalytics
from ai_triage.tests.counted import NOON, a_result
from ai_triage.tests.test_calibration import reviewed
from tests.staff import staff

pytestmark = pytest.mark.django_db
DAYS = "/admin/ai_triage/triageanalytics/"
RUNS = "/admin/ai_triage/evaluationrun/"
CURVE = f"{DAYS}calibration/"


@pytest.fixture
def viewer(tenant):
    return staff(tenant)


@pytest.fixture
def stranger(other_tenant):
    return staff(other_tenant, "owner")


@pytest.fixture
def day(tenant):
    a_result(tenant, needs_review=True)
    a_result(tenant, decision="ignore", email_type="newsletter")
    analytics.recount(tenant, day=NOON.date(), at=timezone.now())
    return TriageAnalytics.objects.get()


@pytest.fixture
def run(tenant):
    call_command("triage_eval", "--tenant", "shop", "--injections", "--limit", "1")
    return EvaluationRun.objects.get()


def test_the_days_show_counts_shares_and_reasons(viewer, day):
    listed = viewer.get(DAYS).content.decode()
    whole = viewer.get(f"{DAYS}{day.pk}/change/").content.decode()

    assert "50 %" in listed
    assert "1.00 s" in listed
    assert "newsletter: 1" in whole
    assert "question: 1" in whole


def test_an_evaluation_shows_its_figures_and_who_was_taken_for_whom(viewer, run):
    listed = viewer.get(RUNS).content.decode()
    whole = viewer.get(f"{RUNS}{run.pk}/change/").content.decode()

    assert "mails.jsonl" in listed
    assert "default@1" in listed
    assert "right ↓ said →" in whole
    assert "automatic reply" in whole
    assert "system-note-pt" in whole


def test_nobody_changes_figures(day, run, tenant):
    owner = staff(tenant, "owner")

    for path in (f"{DAYS}{day.pk}/", f"{RUNS}{run.pk}/"):
        assert owner.post(f"{path}change/", {}).status_code == 403
        assert owner.post(f"{path}delete/", {"post": "yes"}).status_code == 403
    assert owner.get(f"{DAYS}add/").status_code == 403
    assert TriageAnalytics.objects.count() == EvaluationRun.objects.count() == 1


def test_others_see_nothing_of_it(stranger, day, run, tenant):
    assert "Shop" not in stranger.get(DAYS).content.decode()
    assert "mails.jsonl" not in stranger.get(RUNS).content.decode()
    for path in (f"{DAYS}{day.pk}/change/", f"{RUNS}{run.pk}/change/"):
        assert stranger.get(path).status_code == 302  # to the admin's start: there is none

    refused = stranger.get(CURVE, {"tenant": tenant.pk}).content.decode()
    assert "<svg viewBox" not in refused
    assert "Shop" not in refused


def test_the_products_own_evaluations_are_for_superusers(viewer, admin_client):
    call_command("triage_eval")

    assert "mails.jsonl" not in viewer.get(RUNS).content.decode()
    assert "mails.jsonl" in admin_client.get(RUNS).content.decode()


def test_the_calibration_draws_the_curve_and_suggests_a_threshold(viewer, tenant):
    reviewed(tenant, "0.70", right=20, wrong=20)
    reviewed(tenant, "0.90", right=40)

    page = viewer.get(CURVE).content.decode()

    assert "80 reviewed mails, 75 % of them right" in page
    assert '<circle cx="264.0" cy="200.0" r="4">' in page
    assert "0.90" in page
    assert "0 / 40" in page
    assert CURVE in viewer.get(DAYS).content.decode()


def test_the_calibration_follows_the_costs_that_are_given(viewer, tenant):
    reviewed(tenant, "0.70", right=40, wrong=10)
    reviewed(tenant, "0.90", right=50)

    cheap = viewer.get(CURVE, {"wrong": "2", "look": "1"}).content.decode()
    wrong = viewer.get(CURVE, {"wrong": "-1"})

    assert "10 / 100" in cheap
    assert wrong.status_code == 200
    assert "<svg viewBox" not in wrong.content.decode()


@pytest.mark.parametrize("language", ["pt", "pt-br"])
def test_the_drawing_has_no_decimal_commas(viewer, tenant, language):
    reviewed(tenant, "0.75", right=3)

    page = viewer.get(CURVE, headers={"accept-language": language}).content.decode()

    assert '<circle cx="280.0" cy="40.0"' in page


def test_a_calibration_without_reviews_says_so(viewer):
    assert "No mail was reviewed yet." in viewer.get(CURVE).content.decode()


def test_a_calibration_needs_a_login_and_a_role(client, tenant):
    assert client.get(CURVE).status_code == 302
    nobody = Client()
    nobody.force_login(User.objects.create_user("nobody", is_staff=True))
    assert nobody.get(CURVE).status_code == 403


def test_the_lists_cost_as_many_queries_for_many_rows_as_for_one(viewer, tenant, day, run):
    def queries(path):
        with CaptureQueriesContext(connection) as caught:
            viewer.get(path)
        return len(caught)

    viewer.get(DAYS)
    few = queries(DAYS), queries(RUNS)
    for number in range(1, 20):
        analytics.recount(tenant, day=NOON.date().replace(day=number), at=timezone.now())
        EvaluationRun.objects.create(
            tenant=tenant, file_name="x", provider="rules", prompt=run.prompt, mails=1,
            figures=run.figures,
        )  # fmt: skip

    assert (queries(DAYS), queries(RUNS)) == few
