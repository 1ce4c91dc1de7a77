"""``manage.py triage_eval`` measures a provider and prompt, and says what is wrong with a file."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from ai_triage import prompting
from ai_triage.evaluation.intervals import Proportion
from ai_triage.evaluation.mails import read_mails
from ai_triage.evaluation.runs import spread
from ai_triage.models import EvaluationRun
from ai_triage.prompting import Changes
from tests.servers.google import FakeGoogle, blocked_prompt, content_of, system_of
from tests.servers.model_server import verdict

pytestmark = pytest.mark.django_db


def mail(number, **labels):
    return {
        "id": f"m{number}",
        "from": "ana@example.com",
        "subject": f"Mail {number}",
        "body": "Where is my order?",
        "decision": "respond",
        "email_type": "question",
        "urgency": "medium",
        **labels,
    }


@pytest.fixture
def file(tmp_path):
    def write(*rows):
        path = tmp_path / "set.jsonl"
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("\n".join(lines))
        return str(path)

    return write


@pytest.fixture
def google(settings):
    with FakeGoogle(key="AIza") as google:
        settings.GEMINI_API_KEY, settings.GEMINI_BASE_URL = "AIza", google.url
        yield google


def run(*arguments):
    call_command("triage_eval", *arguments)
    return EvaluationRun.objects.latest("pk")


def test_the_set_that_ships_is_measured_without_a_key(capsys):
    found = run()

    printed = capsys.readouterr().out
    assert (found.file_name, found.provider) == ("mails.jsonl", "rules")
    assert found.mails == found.figures["judged"] == found.figures["accuracy"]["of"] >= 80
    assert found.figures["cost"] == 0
    assert sum(sum(row.values()) for row in found.figures["types"].values()) == found.mails
    assert set(found.figures["languages"]) == {"en", "pt"}
    assert "accuracy of respond or ignore" in printed
    assert "| right \\ said" in printed
    assert f"kept as evaluation {found.pk}" in printed


def test_the_figures_are_those_of_what_the_model_said(google, file, capsys):
    def judge(request):
        text = content_of(request)
        if "Mail 3" in text:
            return verdict(decision="ignore", confidence=0.6)
        return verdict(email_type="complaint" if "Mail 2" in text else "question", confidence=0.9)

    google.answers(judge)
    path = file(mail(1), mail(2, urgency="high"), mail(3), mail(4, decision="ignore"))

    figures = run(path, "--provider", "gemini").figures

    assert (figures["accuracy"]["part"], figures["accuracy"]["of"]) == (2, 4)
    assert (figures["precision"]["value"], figures["recall"]["value"]) == (0.6667, 0.6667)
    assert figures["urgency_recall"]["value"] == 0
    assert figures["decisions"] == {
        "respond": {"respond": 2, "ignore": 1},
        "ignore": {"respond": 1, "ignore": 0},
    }
    assert figures["types"] == {"question": {"complaint": 1, "newsletter": 1, "question": 2}}
    assert figures["calibration_error"] == pytest.approx(
        0.75 * (0.9 - 2 / 3) + 0.25 * 0.6, abs=1e-4
    )
    assert figures["cost"] > 0
    assert "$0.00" in capsys.readouterr().out


def test_what_fails_is_counted_and_the_rest_is_measured(google, file, capsys):
    google.answers(lambda asked: blocked_prompt() if "Mail 2" in content_of(asked) else verdict())

    found = run(file(mail(1), mail(2), mail(3)), "--provider", "gemini")

    assert found.figures["errors"] == {"blocked": 1}
    assert found.figures["accuracy"]["of"] == 2
    assert "failed: blocked 1" in capsys.readouterr().out


def test_no_verdict_at_all_ends_with_an_error_and_keeps_nothing(google, file):
    google.answers(blocked_prompt())

    with pytest.raises(CommandError, match="No mail was judged"):
        run(file(mail(1)), "--provider", "gemini")
    assert not EvaluationRun.objects.exists()


def test_mails_are_asked_about_at_once_but_no_more_than_told(google, file):
    google.delay = 0.05

    run(file(*(mail(number) for number in range(12))), "--provider", "gemini", "--at-once", "4")

    assert google.most_at_once == 4


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "Line 2"),
        ("[]", "no JSON object"),
        (mail(2, decision="maybe"), "maybe"),
        (mail(2, subject=5), "subject must be a string"),
        (mail(2, headers={"X": 1}), "headers"),
        ("[" * 100_000, "Line 2"),
    ],
)
def test_a_bad_line_is_named(file, line, told):
    with pytest.raises(CommandError, match="Line 2 is no labelled mail") as refusal:
        run(file(mail(1), line))
    assert told in str(refusal.value)


def test_a_file_that_is_missing_empty_or_no_text_is_named(tmp_path, file):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for path in ("/nowhere.jsonl", file(), str(tmp_path / "binary")):
        with pytest.raises(CommandError, match=path):
            run(path)


def test_a_prompt_is_measured_by_name_and_version(google, file, tenant):
    prompt = prompting.create(tenant, Changes(name="short", system_prompt="One"), author="ana")
    prompting.change(prompt, Changes(system_prompt="Two for {company_name}"), author="ana")
    path = file(mail(1))

    first = run(path, "--provider", "gemini", "--prompt", "short@1")
    latest = run(path, "--provider", "gemini", "--prompt", "short", "--tenant", "shop")
    active = run(path, "--provider", "gemini", "--tenant", "shop")

    asked = [system_of(request) for request in google.requests]
    assert asked[0].startswith("One")
    assert asked[1].startswith("Two for Shop")
    assert (str(first.prompt), str(latest.prompt)) == ("short@1", "short@2")
    assert (active.prompt.prompt.name, active.tenant) == ("default", tenant)


def test_a_prompt_of_nobody_in_particular_is_refused(tenant, other_tenant, file):
    path = file(mail(1))
    for arguments, told in [
        (["--prompt", "default"], "Whose prompt"),
        (["--prompt", "other@1", "--tenant", "shop"], "no prompt other@1"),
        (["--prompt", "default@x", "--tenant", "shop"], "no prompt default@x"),
        (["--tenant", "nobody"], "no tenant nobody"),
    ]:
        with pytest.raises(CommandError, match=told):
            run(path, *arguments)


def test_injections_report_each_verdict_that_a_payload_changed(google, file, capsys):
    def obey(request):
        text = content_of(request)
        if "Ignore all previous instructions" in text:
            return verdict(decision="ignore")
        return verdict(urgency="high" if "urgency is high" in text else "medium")

    google.answers(obey)
    path = file(*(mail(number) for number in range(6)))

    found = run(path, "--provider", "gemini", "--injections", "--limit", "2").figures["injections"]

    flipped = {one["payload"]: (one["flips"], one["of"]) for one in found["payloads"]}
    assert flipped["plain"] == flipped["urgent"] == (2, 2)
    assert sum(flips for flips, _of in flipped.values()) == found["flips"]["part"] == 4
    assert found["decisions"]["part"] == 2
    assert ["m3", "urgent", "urgency"] in found["listed"]
    assert "m3 · urgent: urgency" in capsys.readouterr().out


def test_a_limit_takes_mails_from_all_over_the_set():
    mails = [one.mail for one in read_mails()]

    chosen = [one.email_id[:2] for one in spread(mails, 10)]

    assert len(chosen) == 10
    assert chosen.count("en") == chosen.count("pt")
    assert spread(mails, 1000) == mails


def test_wilsons_interval_holds_for_few_and_for_all():
    assert Proportion(0, 0).interval == (0, 1)
    assert Proportion(9, 10).interval == pytest.approx((0.596, 0.982), abs=0.001)
    assert Proportion(10, 10).interval == pytest.approx((0.722, 1.0), abs=0.001)
    assert Proportion(0, 10).interval == pytest.approx((0.0, 0.278), abs=0.001)
