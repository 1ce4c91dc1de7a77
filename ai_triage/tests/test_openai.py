"""Any OpenAI-compatible server: what is sent, what it can't do, and what becomes of replies."""

from __future__ import annotations

import json

import pytest

from ai_triage.errors import BadAnswer, Blocked, ProviderRefused, ProviderUnavailable
from ai_triage.kinds import Decision
from ai_triage.providers import openai as openai_provider
from ai_triage.providers.endpoint import Endpoint
from ai_triage.providers.openai import OpenAIProvider
from ai_triage.tests.questions import KEY, MAIL, ask, failure
from ai_triage.usage import Usage
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
from tests.servers.openai import (
    BAD_KEY,
    QUOTA_SPENT,
    FakeOpenAI,
    completion,
    content_of,
    error,
    overloaded,
    rate_limited,
    system_of,
)

MODEL = "gpt-5-mini"


@pytest.fixture(autouse=True)
def _nothing_learned():
    openai_provider._dialects.clear()


@pytest.fixture
def openai():
    with FakeOpenAI(key=KEY) as openai:
        yield openai


@pytest.fixture
def provider(openai):
    return OpenAIProvider(Endpoint(KEY, MODEL, openai.url))


def formats(openai):
    return [request.body.get("response_format", {}).get("type") for request in openai.requests]


def test_a_verdict_comes_back_with_where_it_is_from_and_what_it_cost(openai, provider):
    openai.answers(completion(json.dumps(verdict()), model="gpt-5-mini-2026-08-07"))

    answer = ask(provider)

    assert answer.verdict.decision is Decision.RESPOND
    assert (answer.provider, answer.model_version) == ("openai", "gpt-5-mini-2026-08-07")
    assert answer.usage == Usage(790, 150)
    assert json.loads(answer.raw) == verdict()


def test_the_prompt_is_the_system_and_the_mail_is_the_user(openai, provider):
    ask(provider)

    [request] = openai.requests
    assert MAIL.body not in system_of(request)
    assert MAIL.body in content_of(request)
    assert request.body["max_completion_tokens"] == 2048
    assert request.body["response_format"]["json_schema"]["strict"] is True
    assert "maxLength" not in json.dumps(request.body["response_format"])


def test_a_server_of_ones_own_needs_no_key(openai):
    openai.key = None

    ask(OpenAIProvider(Endpoint("", MODEL, openai.url + "/")))

    assert "authorization" not in openai.requests[0].headers


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        (["json_object"], ["json_schema", "json_object"]),
        ([], ["json_schema", "json_object", None]),
    ],
)
def test_what_a_server_cannot_do_is_not_asked_again(openai, provider, known, asked):
    openai.formats = frozenset(known)

    ask(provider)
    ask(provider)

    assert formats(openai) == [*asked, asked[-1]]
    assert "JSON Schema" in system_of(openai.requests[-1])
    assert "json_object" not in system_of(openai.requests[-1])


def test_a_server_may_have_the_older_name_of_the_limit(openai, provider):
    openai.limit = "max_tokens"

    ask(provider)
    ask(provider)

    assert [request.body.get("max_tokens") for request in openai.requests] == [None, 2048, 2048]


def test_a_fence_is_taken_off_only_where_nothing_asks_for_json_alone(openai, provider):
    openai.answers("```json\n" + json.dumps(verdict()) + "\n```")

    assert failure(provider).reason == "not_json"
    openai.formats = frozenset()
    assert ask(provider).verdict.decision is Decision.RESPOND


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (HTML, "not_json"),
        (FLOOD, "too_long"),
        (PACKED_FLOOD, "too_long"),
        (EMPTY, "not_json"),
        (Reply(body=b"[" * 100_000), "not_json"),
        (json_reply({}), "empty"),
        (json_reply([]), "empty"),
        (json_reply({"choices": {}}), "empty"),
        (json_reply({"choices": [None]}), "empty"),
        (json_reply({"choices": [{"message": {"content": ["x"]}}]}), "empty"),
        (completion(None, finish="tool_calls"), "empty"),
        (completion(json.dumps(verdict()), finish="length"), "truncated"),
        (json.dumps(verdict())[:-9], "not_json"),
        (verdict(decision="maybe"), "not_in_list"),
        (verdict(confidence=1.5), "out_of_range"),
    ],
)
def test_what_is_no_verdict_is_asked_for_once_more_and_then_given_up(
    openai, provider, reply, reason
):
    openai.answers(reply)

    bad = failure(provider)

    assert isinstance(bad, BadAnswer)
    assert bad.reason == reason
    assert len(openai.requests) == 2


def test_the_cost_of_all_calls_is_counted_and_nonsense_is_not(openai, provider):
    nonsense = json_reply({"usage": {"prompt_tokens": -5, "completion_tokens": "many"}})
    openai.answers(nonsense, completion("{}", tokens=(700, 9)))
    assert failure(provider).usage == Usage(700, 9)

    openai.answers(completion("{}", tokens=(700, 9)), verdict())
    assert ask(provider).usage == Usage(1490, 159)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (completion(None, refusal="I'm sorry, I can't help with that."), "refusal"),
        (completion("", finish="content_filter"), "content_filter"),
        (error(400, "The prompt was filtered", code="content_filter"), "content_filter"),
        (error(400, "Too long", code="context_length_exceeded"), "not_taken"),
        (Reply(422, b'{"detail": [{"msg": "bad"}]}'), "not_taken"),
        (Reply(413), "not_taken"),
    ],
)
def test_a_mail_that_the_model_declines_goes_to_a_person_at_once(openai, provider, reply, reason):
    openai.answers(reply)

    blocked = failure(provider)

    assert isinstance(blocked, Blocked)
    assert blocked.reason == reason
    assert len(openai.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        BAD_KEY,
        QUOTA_SPENT,
        error(400, "Incorrect API key provided: xa***"),
        error(403, "Country not supported", code="unsupported_country"),
        error(404, "The model does not exist", code="model_not_found"),
    ],
)
def test_a_refusal_is_not_tried_again(openai, provider, reply):
    openai.answers(reply)

    assert isinstance(failure(provider), ProviderRefused)
    assert len(openai.requests) == 1


@pytest.mark.parametrize("reply", [overloaded(500), overloaded(), BAD_GATEWAY, CUT, Reply(408)])
def test_what_passes_is_tried_again(openai, provider, reply):
    openai.answers(reply, verdict())

    ask(provider)

    assert len(openai.requests) == 2


def test_it_is_not_tried_again_before_the_server_said(openai, provider):
    openai.answers(rate_limited(retry_after="1"), verdict())

    ask(provider)

    first, second = openai.requests
    assert second.at - first.at >= 1


def test_a_wait_that_is_longer_than_the_time_left_is_handed_on(openai, provider):
    openai.answers(rate_limited(retry_after="3600"))

    assert failure(provider).retry_after == 3600
    assert len(openai.requests) == 1


def test_a_server_that_hangs_is_left_when_the_time_is_over(openai, provider):
    openai.answers(HANG)

    assert isinstance(failure(provider, within=0.3), ProviderUnavailable)


def test_a_redirect_is_refused_and_takes_no_key_along(openai, provider):
    with FakeOpenAI() as other:
        openai.answers(redirect(other.url + "/chat/completions"))

        assert isinstance(failure(provider), ProviderRefused)
        assert other.requests == []


@pytest.mark.parametrize("answer", malicious())
def test_a_malicious_answer_is_a_draft_to_the_sender_or_nothing(openai, provider, answer):
    openai.answers(answer)

    try:
        draft = ask(provider).verdict.suggested_response
    except BadAnswer:
        return
    assert not hasattr(draft, "to")
    assert "\n" not in draft.subject
