"""Which provider judges a mail, which steps in, and what Prometheus is told."""

from __future__ import annotations

import pytest

from ai_triage.checks import check_providers
from ai_triage.errors import BadAnswer, Blocked, ProviderRefused, ProviderUnavailable
from ai_triage.providers.registry import breaker_of, configured, provider_named
from ai_triage.signals import provider_paused
from ai_triage.tests.questions import KEY, ask
from ai_triage.usage import Usage
from sendcraft_project.settings.base import TRIAGE_PROVIDERS
from tests.servers.google import BAD_KEY, FakeGoogle, blocked_prompt, candidate, overloaded
from tests.servers.model_server import verdict
from tests.servers.openai import FakeOpenAI


@pytest.fixture
def google(settings):
    with FakeGoogle() as google:
        settings.TRIAGE_PROVIDER = "gemini"
        settings.GEMINI_API_KEY = KEY
        settings.GEMINI_MODEL = "gemini-3.5-flash-lite"
        settings.GEMINI_BASE_URL = google.url
        yield google


@pytest.fixture
def openai(settings):
    with FakeOpenAI() as openai:
        settings.OPENAI_MODEL = "llama"
        settings.OPENAI_BASE_URL = openai.url
        yield openai


def test_the_chosen_provider_judges(google):
    assert ask(configured()).provider == "gemini"


def test_every_name_that_may_be_chosen_is_a_provider(google, openai):
    assert [ask(provider_named(name)).provider for name in TRIAGE_PROVIDERS] == [
        "gemini", "openai", "rules",
    ]  # fmt: skip
    with pytest.raises(KeyError):
        provider_named("oracle")


def test_nobody_steps_in_unless_named(google):
    google.answers(BAD_KEY)

    with pytest.raises(ProviderRefused):
        ask(configured())


def test_who_is_named_steps_in_for_one_that_refuses_or_is_down(google, openai, settings):
    settings.TRIAGE_FALLBACK = "openai"
    google.answers(overloaded())
    assert ask(configured(), within=2).provider == "openai"

    settings.TRIAGE_FALLBACK = "rules"
    google.answers(BAD_KEY)
    answer = ask(configured())
    assert answer.provider == "rules"
    assert answer.model_version != "gemini-3.5-flash-lite"


@pytest.mark.parametrize(
    ("reply", "failure"), [(blocked_prompt(), Blocked), (verdict(urgency="now"), BadAnswer)]
)
def test_nobody_steps_in_for_a_mail_that_got_no_verdict(google, settings, reply, failure):
    settings.TRIAGE_FALLBACK = "rules"
    google.answers(reply)

    with pytest.raises(failure):
        ask(configured())


def test_what_the_first_was_paid_for_is_not_forgotten(google, settings):
    settings.TRIAGE_FALLBACK = "rules"
    google.answers(candidate(None, finish="MAX_TOKENS", tokens=(812, 0, 2048)), BAD_KEY)

    assert ask(configured()).usage == Usage(812, 2048)


def test_a_bad_key_is_asked_once_told_and_then_left_until_it_is_another(google, settings):
    told = []
    hear = provider_paused.connect(lambda sender, **pause: told.append(pause), weak=False)
    google.key = "good"

    for _ in range(3):
        with pytest.raises((ProviderRefused, ProviderUnavailable)):
            ask(configured())

    provider_paused.disconnect(hear)
    assert len(google.requests) == 1
    assert [pause["provider"] for pause in told] == ["gemini"]
    assert KEY not in str(told)
    assert breaker_of("gemini").trouble().pauses == 1
    settings.GEMINI_API_KEY = "good"
    assert ask(configured()).provider == "gemini"


@pytest.mark.django_db
def test_calls_time_and_tokens_are_counted(google, client):
    def value(line: str) -> float:
        lines = client.get("/metrics").content.decode().splitlines()
        return float(next((one.split()[1] for one in lines if one.startswith(line + " ")), 0))

    lines = [
        'sendcraft_triage_calls_total{outcome="answered",provider="gemini"}',
        'sendcraft_triage_calls_total{outcome="bad_answer",provider="gemini"}',
        'sendcraft_triage_calls_total{outcome="unavailable",provider="gemini"}',
        'sendcraft_triage_call_seconds_count{provider="gemini"}',
        'sendcraft_triage_tokens_total{direction="input",provider="gemini"}',
        'sendcraft_triage_tokens_total{direction="output",provider="gemini"}',
    ]
    before = [value(line) for line in lines]
    google.answers(overloaded(), verdict(urgency="now"), verdict())

    ask(configured())

    after = [value(line) for line in lines]
    counted = [b - a for a, b in zip(before, after, strict=True)]
    assert counted == [1, 1, 1, 3, 2 * 812, 2 * 143]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"TRIAGE_PROVIDER": "gemini"}, "TRIAGE_PROVIDER is gemini, which needs GEMINI_API_KEY."),
        ({"TRIAGE_PROVIDER": "openai"}, "TRIAGE_PROVIDER is openai, which needs OPENAI_MODEL."),
        (
            {"TRIAGE_FALLBACK": "openai", "OPENAI_MODEL": "gpt-5-mini"},
            "TRIAGE_FALLBACK is openai, which needs OPENAI_API_KEY.",
        ),
        ({"TRIAGE_FALLBACK": "rules"}, "TRIAGE_FALLBACK is rules, as TRIAGE_PROVIDER is already."),
    ],
)
def test_a_provider_that_could_judge_nothing_stops_the_start(settings, chosen, said):
    for name, value in chosen.items():
        setattr(settings, name, value)

    assert said in [error.msg for error in check_providers(None)]


def test_a_server_of_ones_own_needs_no_key_to_start(settings):
    settings.TRIAGE_PROVIDER, settings.OPENAI_MODEL = "openai", "llama"
    settings.OPENAI_BASE_URL = "http://10.0.0.7:11434/v1"

    assert check_providers(None) == []
