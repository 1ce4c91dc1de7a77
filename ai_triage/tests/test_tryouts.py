"""A prompt version tried out on a past mail: shown beside what was decided, and decides nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from ai_triage import analytics, prompting, spending, trials, tryouts
from ai_triage.models import Prompt, TriageAnalytics, TriageResult, TriageSettings, Tryout
from ai_triage.prompting import Changes
from ai_triage.tests.rows import reviewed, triaged
from tenants.models import Role
from tests.servers.google import BAD_KEY, blocked_prompt, content_of, system_of
from tests.servers.model_server import HANG, verdict
from tests.staff import staff

pytestmark = pytest.mark.django_db

PAGE = "/admin/ai_triage/promptversion/{}/try/"
IN_PLACE = {"HX-Request": "true"}
COST = Decimal("0.00060110")  # of the fake server's 812 and 143 tokens


@pytest.fixture
def editor(tenant):
    return staff(tenant, Role.EDITOR)


@pytest.fixture
def default(tenant):
    return prompting.ensure_default(tenant)


@pytest.fixture
def version(tenant, default):
    given = Changes("curt", "Be curt, {company_name}.", ["questions"], ["spam"])
    return prompting.create(tenant, given, author="ana").in_use


@pytest.fixture
def mail(tenant, default) -> TriageResult:
    return triaged(
        tenant,
        prompt=default.in_use,
        reason="Quer saber o prazo",
        suggested_subject="Re: Prazo",
        suggested_body="São três dias.",
        model_version="gemini-2.5-flash",
        input_tokens=700,
        output_tokens=100,
        cost="0.00046",
        processing_time_seconds=1.44,
    )


def page_of(version, mail=None, **query) -> str:
    query |= {"mail": mail.pk} if mail else {}
    return f"{PAGE.format(version.pk)}?" + "&".join(f"{k}={v}" for k, v in query.items())


def words(response) -> str:
    assert response.status_code == 200, response.headers
    return " ".join(strip_tags(response.content.decode()).split())


def stored(mail) -> dict:
    return TriageResult.objects.filter(pk=mail.pk).values().get()


# What it says


def test_both_verdicts_stand_beside_each_other_with_tokens_time_and_cost(
    editor, google, version, mail
):
    google.answers(verdict(urgency="high", confidence=0.81))

    text = words(editor.post(page_of(version, mail), headers=IN_PLACE))

    then, now = text.split("curt@1 says now")
    assert "Decided then default@1" in then
    assert "respond question urgency: medium confidence: 90% Quer saber o prazo" in then
    assert "Re: Prazo São três dias." in then
    assert "gemini-2.5-flash · 1.4 s · 700 tokens in, 100 out · 0.000460 US$" in then
    assert "urgency: high (other than then) confidence: 81%" in now
    assert "respond question urgency" in now
    assert re.search(
        r"gemini-3.5-flash-lite · \d+\.\d s · 812 tokens in, 143 out · 0\.000601 US\$", now
    )
    assert "<html" not in text


def test_a_screen_reader_is_told_what_came_by_a_region_that_stays_on_the_page(
    editor, google, version, mail
):
    region = '<p id="tryout-told" role="status" class="sr-only"></p>'
    page = editor.get(page_of(version, mail)).content.decode()
    assert region in page
    assert page.index(region) < page.index('id="tryout"')
    google.answers(verdict(urgency="high"), *[BAD_KEY] * 4)

    answered = editor.post(page_of(version, mail), headers=IN_PLACE).content.decode()
    failed = editor.post(page_of(version, mail), headers=IN_PLACE).content.decode()

    filled = '<p id="tryout-told" hx-swap-oob="innerHTML">'
    assert f"{filled}curt@1: respond, question, urgency: high</p>" in answered
    assert f"{filled}The provider refused" in failed


def test_a_draft_without_a_subject_has_no_empty_heading(editor, tenant, version):
    mail = triaged(tenant, suggested_subject="", suggested_body="São três dias.")

    page = editor.get(page_of(version, mail)).content.decode()

    assert "São três dias." in page
    assert "<h3></h3>" not in page


def test_this_version_is_asked_with_its_own_text_and_the_whole_mail(editor, google, version, mail):
    editor.post(page_of(version, mail), headers=IN_PLACE)

    (request,) = google.requests
    assert "Be curt, Shop." in system_of(request)
    assert "qual é o prazo de entrega para o Porto?" in content_of(request)


def test_a_running_trial_does_not_choose_another_version(
    editor, google, tenant, default, version, mail
):
    other = prompting.create(tenant, Changes("x", "Other.", [], []), author="ana").in_use
    trials.start(tenant, name="t", a=default.in_use, b=other, share_b=50, author="ana")

    editor.post(page_of(version, mail), headers=IN_PLACE)

    assert "Be curt" in system_of(google.requests[0])


def test_without_scripts_the_whole_page_answers(editor, google, version, mail):
    response = editor.post(page_of(version, mail, q="prazo"))

    assert b"<html" in response.content
    assert "curt@1 says now respond" in words(response)
    assert 'value="prazo"' in response.content.decode()


def test_what_people_made_of_it_stands_there_too(editor, tenant, version):
    mail = reviewed(tenant, said={"urgency": "high", "email_type": "complaint"})

    text = words(editor.get(page_of(version, mail)))

    assert "After people looked respond complaint urgency: high" in text
    assert "It was not asked yet." in text


def test_mail_that_a_rule_settled_can_be_tried_as_well(editor, google, tenant, version):
    mail = triaged(tenant, headers={"List-Id": "<a.b>", "Precedence": "list"}, provider="rules")

    text = words(editor.post(page_of(version, mail), headers=IN_PLACE))

    assert "By rule: no prompt was asked." in text
    assert len(google.requests) == 1


def test_a_long_mail_is_shown_in_part_and_says_so(editor, tenant, version):
    cut, whole = triaged(tenant, body="x" * 20_001), triaged(tenant, "m2", body="x" * 20_000)

    told = "The mail is longer than this; its end is left out here."
    assert told in words(editor.get(page_of(version, cut)))
    assert told not in words(editor.get(page_of(version, whole)))


def test_the_words_of_strangers_and_models_are_only_text(editor, google, tenant, version):
    bad = "<img src=x onerror=alert(1)>"
    mail = triaged(tenant, subject=bad, body=bad, from_name=bad, reason=bad)
    google.answers(verdict(reason=bad))

    for page in (editor.post(page_of(version, mail)), editor.get(page_of(version, q=bad))):
        assert bad not in page.content.decode()


# It decides nothing, and costs what it costs


def test_nothing_of_the_mail_changes_and_no_mail_is_counted_but_the_cost_is(
    editor, google, tenant, version, mail
):
    before = stored(mail)

    editor.post(page_of(version, mail), headers=IN_PLACE)
    analytics.keep_up(at=timezone.now())

    assert stored(mail) == before
    assert TriageResult.objects.count() == 1
    one = Tryout.objects.get()
    assert (one.version, one.by, one.error_code) == (version, "editor-shop", "")
    assert (one.provider, one.input_tokens, one.output_tokens) == ("gemini", 812, 143)
    assert one.cost == COST
    day = TriageAnalytics.objects.get(mode="live")
    assert (day.total_processed, day.input_tokens, day.output_tokens) == (1, 1512, 243)
    assert day.cost == Decimal("0.00046") + COST
    assert spending.spent_today(tenant, at=timezone.now()) == Decimal("0.00046") + COST


def test_what_a_version_cost_counts_though_its_prompt_was_deleted_while_it_was_asked(
    google, tenant, version, mail
):
    Prompt.objects.filter(pk=version.prompt_id).delete()

    tried = tryouts.try_out(version, mail, by="ana")

    assert tried.verdict
    assert Tryout.objects.get().version is None
    assert spending.spent_today(tenant, at=timezone.now()) == Decimal("0.00046") + COST


def test_a_day_without_mail_shows_what_try_outs_cost(editor, google, tenant, version):
    long_ago = timezone.now() - timedelta(days=9)
    mail = triaged(tenant, processed_at=long_ago)
    analytics.keep_up(at=timezone.now())

    editor.post(page_of(version, mail), headers=IN_PLACE)
    analytics.keep_up(at=timezone.now())

    day = TriageAnalytics.objects.order_by("-date").first()
    assert (day.total_processed, day.input_tokens, day.cost) == (0, 812, COST)


def test_the_days_cost_limit_holds_for_try_outs_and_they_use_it_up(
    editor, google, tenant, version, mail
):
    TriageSettings.objects.create(tenant=tenant, daily_cost_limit=Decimal("0.01"))
    TriageResult.objects.update(cost=0)
    Tryout.objects.create(
        tenant=tenant, by="ana", input_tokens=1, output_tokens=1, cost="0.01", seconds=1,
        at=timezone.now(), provider="gemini",
    )  # fmt: skip

    text = words(editor.post(page_of(version, mail), headers=IN_PLACE))

    assert "The day's cost limit is reached; no model is asked until" in text.replace("&#x27;", "'")
    assert google.requests == []
    assert Tryout.objects.count() == 1


@pytest.mark.parametrize(
    ("answer", "said", "tokens", "seconds"),
    [
        (BAD_KEY, "refuse", 0, 20),
        (blocked_prompt(), "declined to judge this mail (safety)", 812, 20),
        (verdict(email_type="invoice"), "email_type", 955, 20),
        (HANG, "did not answer in time", 0, 0.5),
    ],
    ids=["refused", "blocked", "nonsense", "late"],
)
def test_a_provider_that_fails_is_told_in_words_and_what_it_billed_counts(
    editor, google, settings, version, mail, answer, said, tokens, seconds
):
    settings.TRIAGE_DEADLINE = seconds
    google.answers(*[answer] * 4)

    text = words(editor.post(page_of(version, mail), headers=IN_PLACE))

    assert said in text.split("says now")[1]
    assert "It was not asked yet." not in text
    one = Tryout.objects.get()
    assert one.input_tokens + one.output_tokens >= tokens
    assert one.error_code


def test_where_no_model_is_set_up_the_page_says_that_rules_read_no_prompt(editor, version, mail):
    page = words(editor.get(page_of(version, mail)))

    assert "No model is set up: the rules judge, and they read no prompt." in page


# Which mails


def test_mails_are_found_by_sender_or_subject_the_latest_first(editor, tenant, version):
    for number, subject in enumerate(["Fatura", "Encomenda", "fatura em falta"]):
        triaged(tenant, f"m{number}", subject=subject, from_address=f"c{number}@x.example")
    triaged(tenant, "gone", subject="Fatura antiga", removed_at=timezone.now())
    triaged(tenant, "open", subject="Fatura nova", status="queued")

    by_subject = words(editor.get(page_of(version, q="fatura")))
    by_sender = words(editor.get(page_of(version, q="c1@x")))

    assert by_subject.index("fatura em falta") < by_subject.index("Fatura c0@x.example")
    assert "Encomenda" not in by_subject
    assert "antiga" not in by_subject
    assert "nova" not in by_subject
    assert "Encomenda" in by_sender
    assert "Looked for in the newest 5000 mails." in by_sender


def test_a_mail_of_another_tenant_one_without_text_or_nonsense_is_not_there(
    editor, tenant, other_tenant, version
):
    foreign = triaged(other_tenant, "foreign", subject="Theirs")
    removed = triaged(tenant, "gone", removed_at=timezone.now())

    assert "Theirs" not in words(editor.get(page_of(version)))
    for wanted in (foreign.pk, removed.pk, 987654, "x", "-1"):
        assert editor.get(f"{PAGE.format(version.pk)}?mail={wanted}").status_code == 404
        assert editor.post(f"{PAGE.format(version.pk)}?mail={wanted}").status_code == 404
    assert editor.post(PAGE.format(version.pk)).status_code == 404
    assert not Tryout.objects.exists()


# Who may


def test_a_viewer_sees_what_was_decided_and_can_not_ask(tenant, google, version, mail):
    viewer = staff(tenant, Role.VIEWER)

    page = viewer.get(page_of(version, mail))

    assert "Quer saber o prazo" in words(page)
    assert "Asking it is for those who may change prompts." in words(page)
    assert "hx-post" not in page.content.decode()
    assert viewer.post(page_of(version, mail)).status_code == 404
    assert google.requests == []


def test_staff_of_another_tenant_reach_no_version(other_tenant, google, version, mail):
    owner = staff(other_tenant, Role.OWNER)

    assert owner.get(page_of(version, mail)).status_code == 404
    assert owner.post(page_of(version, mail)).status_code == 404
    assert google.requests == []


# Where it is found, and the trial that runs


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_a_prompt_leads_to_the_try_out_of_each_version_and_names_the_trial(
    tenant, default, version, role
):
    prompt = version.prompt
    later = prompting.change(prompt, Changes(system_prompt="Be kind."), author="ana")
    client = staff(tenant, role)
    address = f"/admin/ai_triage/prompt/{prompt.pk}/change/"
    assert "No trial runs." in words(client.get(address))
    trial = trials.start(tenant, name="Kind?", a=version, b=later, share_b=30, author="ana")

    page = client.get(address)
    own = client.get(f"/admin/ai_triage/promptversion/{later.pk}/change/")

    for one in (version, later):
        assert f'href="{PAGE.format(one.pk)}"' in page.content.decode()
    assert f'href="{PAGE.format(later.pk)}"' in own.content.decode()
    assert "A is curt@1, B is curt@2" in words(own)
    assert f'href="/admin/ai_triage/experiment/{trial.pk}/change/"' in page.content.decode()
    assert "A is curt@1, B is curt@2, which judges 30 % of the senders." in words(page)


def test_an_active_prompt_says_that_a_trial_judges_in_its_place(editor, tenant, default, version):
    address = f"/admin/ai_triage/prompt/{default.pk}/change/"
    assert "It judges the mail of its tenant." in words(editor.get(address))

    trials.start(tenant, name="t", a=default.in_use, b=version, share_b=50, author="ana")

    text = words(editor.get(address))
    assert "It judges the mail of its tenant once the trial is over." in text


def test_a_prompts_page_asks_once_which_trial_runs(editor, default):
    with CaptureQueriesContext(connection) as asked:
        editor.get(f"/admin/ai_triage/prompt/{default.pk}/change/")

    assert len([one for one in asked if "running_for_id" in one["sql"].partition("WHERE")[2]]) == 1


def test_the_page_costs_as_many_queries_however_many_mails(editor, tenant, version, mail):
    def queries(query: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert editor.get(page_of(version, mail, q=query)).status_code == 200
        return len(asked)

    few = [queries(""), queries("prazo")]
    for number in range(25):
        triaged(tenant, f"more{number}")

    assert [queries(""), queries("prazo")] == few
