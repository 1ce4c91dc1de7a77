"""Gemini over a server that speaks Google's protocol: what is sent, and what becomes of replies."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

from ai_triage.errors import BadAnswer, Blocked, ProviderRefused, ProviderUnavailable
from ai_triage.kinds import Decision
from ai_triage.providers.endpoint import Endpoint
from ai_triage.providers.gemini import GeminiProvider
from ai_triage.tests.questions import KEY, MAIL, QUESTION, ask, failure
from ai_triage.usage import Usage
from ai_triage.verdicts import answer_schema
from tests.servers.google import (
    BAD_KEY,
    FakeGoogle,
    blocked_prompt,
    candidate,
    content_of,
    error,
    function_call,
    generation_of,
    model_of,
    overloaded,
    rate_limited,
    spelt,
    system_of,
)
from tests.servers.model_server import (
    BAD_GATEWAY,
    CUT,
    EMPTY,
    FLOOD,
    HANG,
    HTML,
    PACKED_FLOOD,
    Reply,
    json_reply,
    malicious,
    redirect,
    verdict,
)

MODEL = "gemini-3.5-flash-lite"
GENERATE = "/v1beta/models/{}:generateContent"


@pytest.fixture
def google():
    with FakeGoogle(key=KEY) as google:
        google.models = frozenset([MODEL, "gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-9"])
        yield google


@pytest.fixture
def provider(google):
    return asking(google)


def asking(google, *, model=MODEL, key=KEY):
    return GeminiProvider(Endpoint(key, model, google.url))


def test_a_verdict_comes_back_with_where_it_is_from_and_what_it_cost(google, provider):
    google.answers(verdict(urgency="high"))

    answer = ask(provider)

    assert answer.verdict.decision is Decision.RESPOND
    assert answer.verdict.urgency == "high"
    assert (answer.provider, answer.model_version) == ("gemini", MODEL)
    assert answer.usage == Usage(812, 143)  # 120 of the answer and 23 of thoughts
    assert json.loads(answer.raw) == verdict(urgency="high")


def test_the_prompt_is_the_system_and_the_mail_is_the_user(google, provider):
    ask(provider)

    [request] = google.requests
    assert request.path == GENERATE.format(MODEL)
    assert request.headers["x-goog-api-key"] == KEY
    assert "Loja" in system_of(request)
    assert MAIL.body not in system_of(request)
    assert MAIL.body in content_of(request)
    assert [turn["role"] for turn in request.body["contents"]] == ["user"]
    assert generation_of(request) == {
        "maxOutputTokens": 2048,
        "responseMimeType": "application/json",
        "responseJsonSchema": answer_schema(),
    }
    assert {s["threshold"] for s in spelt(request.body)["safetySettings"]} == {"BLOCK_NONE"}
    assert "tools" not in request.body


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("gemini-2.5-flash-lite", {"temperature": 0.0, "thinkingConfig": {"thinkingBudget": 0}}),
        ("gemini-2.5-flash", {}),
        ("gemini-9", {}),
    ],
)
def test_thinking_and_temperature_go_only_to_models_that_take_them(google, model, sent):
    ask(asking(google, model=model))

    generation = generation_of(google.requests[0])
    known = ("temperature", "thinkingConfig")
    assert {name: generation[name] for name in known if name in generation} == sent
    assert model_of(google.requests[0]) == model


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (HTML, "not_json"),
        (FLOOD, "too_long"),
        (PACKED_FLOOD, "too_long"),
        (EMPTY, "empty"),
        (json_reply({}), "empty"),
        (json_reply([]), "empty"),
        (json_reply("verdict"), "empty"),
        (json_reply({"candidates": "many"}), "empty"),
        (json_reply({"candidates": [{"content": {"parts": 7}}]}), "not_json"),
        (json_reply({"candidates": [{}]}), "empty"),
        (Reply(body=b"[" * 100_000), "not_json"),
        (Reply(status=204), "empty"),
        ("", "empty"),
        ("```json\n" + json.dumps(verdict()) + "\n```", "not_json"),
        (json.dumps(verdict())[:-9], "not_json"),
        (verdict(decision="maybe"), "not_in_list"),
        (verdict(email_type="angry"), "not_in_list"),
        (verdict(confidence=1.5), "out_of_range"),
        (verdict(confidence="high"), "wrong_type"),
        (function_call(to="evil@evil.example"), "empty"),
        (candidate(json.dumps(verdict()), finish="OTHER"), "empty"),
        (candidate(json.dumps(verdict()), finish="A_NEW_REASON"), "empty"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*A_NEW_REASON")
def test_what_is_no_verdict_is_asked_for_once_more_and_then_given_up(
    google, provider, reply, reason
):
    google.answers(reply)

    bad = failure(provider)

    assert isinstance(bad, BadAnswer)
    assert bad.reason == reason
    assert len(google.requests) == 2


def test_what_the_model_thought_is_no_part_of_its_answer(google, provider):
    thought = {"text": "The customer asks. I think respond.", "thought": True}
    parts = [thought, {"text": json.dumps(verdict())}]
    google.answers(json_reply({"candidates": [{"content": {"parts": parts}}]}))

    assert json.loads(ask(provider).raw) == verdict()


def test_a_good_second_answer_counts_with_the_cost_of_the_first(google, provider):
    google.answers(verdict(decision="maybe"), verdict())

    answer = ask(provider)

    assert answer.verdict.decision is Decision.RESPOND
    assert answer.usage == Usage(2 * 812, 2 * 143)


def test_a_bad_answer_says_what_it_cost(google, provider):
    google.answers(verdict(decision="maybe"))

    assert failure(provider).usage == Usage(2 * 812, 2 * 143)


def test_an_answer_that_was_cut_is_asked_for_with_more_tokens(google, provider):
    google.answers(candidate('{"decision"', finish="MAX_TOKENS", tokens=(812, 0, 2048)), verdict())

    answer = ask(provider)

    limits = [generation_of(request)["maxOutputTokens"] for request in google.requests]
    assert limits == [2048, 8192]
    assert answer.usage == Usage(2 * 812, 2048 + 143)


@pytest.mark.parametrize("finish", ["MAX_TOKENS", "CONTINUATION"])
def test_an_answer_that_is_cut_again_is_given_up(google, provider, finish):
    google.answers(candidate(None, finish=finish))

    assert failure(provider).reason == "truncated"
    assert len(google.requests) == 2


def test_the_package_goes_on_with_nothing_by_itself(google, provider):
    halves = {"finishReason": "CONTINUATION", "continuationToken": "bW9yZQ=="}
    google.answers(json_reply({"candidates": [halves]}), verdict())

    ask(provider)

    assert [generation_of(request)["maxOutputTokens"] for request in google.requests] == [
        2048,
        8192,
    ]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (blocked_prompt("SAFETY"), "safety"),
        (blocked_prompt("PROHIBITED_CONTENT"), "prohibited_content"),
        (blocked_prompt("JAILBREAK"), "jailbreak"),
        (candidate(None, finish="SAFETY"), "safety"),
        (candidate(json.dumps(verdict()), finish="SAFETY"), "safety"),
        (candidate(None, finish="RECITATION"), "recitation"),
        (candidate(None, finish="SPII"), "spii"),
        (error(400, "The input token count exceeds", "INVALID_ARGUMENT"), "not_taken"),
    ],
)
def test_a_mail_that_the_model_declines_goes_to_a_person_at_once(google, provider, reply, reason):
    google.answers(reply)

    blocked = failure(provider)

    assert isinstance(blocked, Blocked)
    assert (blocked.code, blocked.reason) == ("blocked", reason)
    assert len(google.requests) == 1


def test_a_block_is_billed_too(google, provider):
    google.answers(blocked_prompt())

    assert failure(provider).usage == Usage(812, 0)


@pytest.mark.parametrize(
    "reply",
    [
        BAD_KEY,
        error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"),
        error(400, "API key expired. Please renew the API key.", "INVALID_ARGUMENT"),
        error(400, "User location is not supported for the API use.", "FAILED_PRECONDITION"),
        error(401, "Unauthenticated", "UNAUTHENTICATED"),
        error(403, f"Permission denied for {KEY}", "PERMISSION_DENIED"),
        error(404, "models/x is not found", "NOT_FOUND"),
        Reply(404, b"<html>nothing here</html>", content_type="text/html"),
    ],
)
def test_a_refusal_is_not_tried_again(google, provider, reply):
    google.answers(reply)

    refused = failure(provider)

    assert isinstance(refused, ProviderRefused)
    assert len(google.requests) == 1


def test_without_a_key_nothing_is_asked(google):
    refused = failure(asking(google, key=""))

    assert isinstance(refused, ProviderRefused)
    assert "GEMINI_API_KEY" in str(refused)
    assert google.requests == []


@pytest.mark.parametrize(
    "reply",
    [
        overloaded(500),
        overloaded(503),
        BAD_GATEWAY,
        CUT,
        rate_limited(),
        Reply(408),
        Reply(503, FLOOD.body),
    ],
)
def test_what_passes_is_tried_again(google, provider, reply):
    google.answers(reply, verdict())

    assert ask(provider).usage == Usage(812, 143)
    assert len(google.requests) == 2


@pytest.mark.parametrize(
    ("reply", "least"),
    [
        (rate_limited(retry_info="0.6s"), 0.6),
        (rate_limited(retry_info="0.2s", retry_after="1"), 1),
        (error(503, "Overloaded", "UNAVAILABLE", Retry_After="1"), 1),
    ],
)
def test_it_is_not_tried_again_before_the_server_said(google, provider, reply, least):
    google.answers(reply, verdict())

    ask(provider)

    first, second = google.requests
    assert second.at - first.at >= least


def test_a_wait_that_is_longer_than_the_time_left_is_handed_on(google, provider):
    google.answers(rate_limited(retry_info="42.5s"))
    began = time.monotonic()

    unavailable = failure(provider, within=10)

    assert isinstance(unavailable, ProviderUnavailable)
    assert unavailable.retry_after == 42.5
    assert time.monotonic() - began < 5
    assert len(google.requests) == 1


def test_a_server_that_stays_down_is_given_up_within_the_time(google, provider):
    google.answers(overloaded())
    began = time.monotonic()

    unavailable = failure(provider, within=2.5)

    assert isinstance(unavailable, ProviderUnavailable)
    assert unavailable.code == "provider_unavailable"
    assert len(google.requests) > 1
    assert time.monotonic() - began < 5


def test_a_server_that_hangs_is_left_when_the_time_is_over(google, provider):
    google.answers(HANG)
    began = time.monotonic()

    assert isinstance(failure(provider, within=0.3), ProviderUnavailable)
    assert time.monotonic() - began < 5


def test_a_server_that_is_not_there_is_unavailable(google, provider):
    google.stop()

    assert isinstance(failure(provider, within=1), ProviderUnavailable)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_takes_no_key_along(google, provider, status):
    with FakeGoogle() as other:
        google.answers(redirect(other.url + GENERATE.format(MODEL), status=status))

        assert isinstance(failure(provider), ProviderRefused)

        assert other.requests == []


@pytest.mark.parametrize("answer", malicious())
def test_a_malicious_answer_is_a_draft_to_the_sender_or_nothing(google, provider, answer):
    google.answers(answer)

    try:
        draft = ask(provider).verdict.suggested_response
    except BadAnswer:
        return
    assert not hasattr(draft, "to")
    assert "\n" not in draft.subject


def test_one_client_serves_threads_and_one_loop_after_another(google, provider):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.extend(ask(provider) for _ in range(3)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 12


def test_many_mails_at_once_share_the_loop(google, provider):
    google.delay = 0.1

    async def twenty():
        return await asyncio.gather(*(provider.answer(QUESTION, within=10) for _ in range(20)))

    assert len(asyncio.run(twenty())) == 20
    assert google.most_at_once > 10


def test_a_forked_process_asks_with_connections_of_its_own(google, provider):
    ask(provider)
    fork = multiprocessing.get_context("fork")
    decisions = fork.Queue()
    child = fork.Process(target=lambda: decisions.put(ask(provider).verdict.decision))
    child.start()

    assert decisions.get(timeout=20) == "respond"
    child.join()
    assert ask(provider).verdict.decision == "respond"


def test_neither_key_nor_mail_is_logged(google, provider, caplog):
    caplog.set_level(logging.INFO, logger="ai_triage")
    google.answers(rate_limited(), BAD_KEY)

    failure(provider)

    assert KEY not in caplog.text
    assert MAIL.body not in caplog.text


def test_a_process_that_asks_no_model_does_not_load_its_package():
    code = (
        "import django, sys; django.setup()\n"
        "from ai_triage.providers.registry import configured\n"
        "configured()\n"
        "sys.exit(any(m.startswith('google.genai') for m in sys.modules))"
    )

    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "sendcraft_project.settings.test"}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


@pytest.mark.live
def test_the_real_gemini_judges_a_question():
    model = os.environ.get("GEMINI_MODEL", MODEL)
    endpoint = Endpoint(
        os.environ["GEMINI_API_KEY"], model, "https://generativelanguage.googleapis.com"
    )

    answer = ask(GeminiProvider(endpoint), within=60)

    assert answer.verdict.decision is Decision.RESPOND
    assert answer.usage.input_tokens > 0
