"""The fakes answer as scripted, refuse what the services refuse, and keep what they were asked."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.servers import google as gemini
from tests.servers import openai as chat
from tests.servers.google import FakeGoogle
from tests.servers.model_server import CUT, HANG, HTML, malicious, redirect, verdict
from tests.servers.openai import FakeOpenAI

MODEL = "gemini-3.5-flash-lite"


@pytest.fixture
def google():
    with FakeGoogle() as google:
        yield google


@pytest.fixture
def openai():
    with FakeOpenAI() as openai:
        yield openai


def ask(google: FakeGoogle, *, key="k", model=MODEL, timeout=10, **body) -> httpx2.Response:
    return httpx2.post(
        f"{google.url}/v1beta/models/{model}:generateContent",
        json={"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], **body},
        headers={"x-goog-api-key": key} if key else {},
        timeout=timeout,
    )


def chat_with(openai: FakeOpenAI, *, key="k", **body) -> httpx2.Response:
    messages = [{"role": "system", "content": "Triage."}, {"role": "user", "content": "Hello"}]
    return httpx2.post(
        f"{openai.url}/chat/completions",
        json={"model": "gpt-5-mini", "messages": messages, **body},
        headers={"Authorization": f"Bearer {key}"},
    )


def text_of(response: httpx2.Response) -> str:
    return response.json()["candidates"][0]["content"]["parts"][0]["text"]


def test_google_answers_in_order_and_stays_with_the_last(google):
    google.answers(verdict(urgency="high"), lambda request: gemini.content_of(request), "stay")

    assert json.loads(text_of(ask(google)))["urgency"] == "high"
    assert [text_of(ask(google)) for _ in range(3)] == ["Hello", "stay", "stay"]


@pytest.mark.parametrize(
    ("system", "generation", "thinking"),
    [
        ("systemInstruction", "generationConfig", "thinkingConfig"),
        ("system_instruction", "generation_config", "thinking_config"),
    ],
)
def test_google_understands_both_spellings(google, system, generation, thinking):
    parts = {"parts": [{"text": "Triage."}]}
    level = {thinking: {"thinking_level": "LOW"}}

    assert ask(google, **{system: parts, generation: level}).status_code == 200

    [request] = google.requests
    assert gemini.system_of(request) == "Triage."
    assert gemini.generation_of(request) == {"thinkingConfig": {"thinkingLevel": "LOW"}}
    assert gemini.model_of(request) == MODEL


@pytest.mark.parametrize(
    "wrong",
    [
        {"generationConfig": {"thinkingConfig": {"thinking_budget": 0}}},
        {"generationConfig": {"presencePenalty": 0.5}},
        {"contents": []},
        {"contents": [{"role": "system", "parts": []}]},
        {"contents": [{"role": "model", "parts": []}]},
        {"surprise": 1},
    ],
)
def test_google_refuses_what_the_live_service_refuses(google, wrong):
    assert ask(google, **wrong).json()["error"]["status"] == "INVALID_ARGUMENT"


def test_google_knows_its_key_and_its_models(google):
    google.key, google.models = "good", frozenset([MODEL])

    assert ask(google, key=None).status_code == 403
    assert "API_KEY_INVALID" in ask(google, key="bad").text
    assert ask(google, key="good", model="gone").status_code == 404
    assert ask(google, key="good").status_code == 200


def test_openai_answers_and_refuses_formats_limits_and_keys(openai):
    openai.key, openai.formats = "k", frozenset(["json_object"])

    assert chat_with(openai, response_format={"type": "json_schema"}).status_code == 400
    assert chat_with(openai, max_tokens=5).json()["error"]["param"] == "max_tokens"
    assert chat_with(openai, key="bad").status_code == 401
    answer = chat_with(openai, response_format={"type": "json_object"}).json()
    assert json.loads(answer["choices"][0]["message"]["content"]) == verdict()
    assert chat.system_of(openai.requests[0]) == "Triage."
    assert chat.content_of(openai.requests[0]) == "Hello"


def test_what_a_network_does_can_be_played(google):
    with FakeGoogle() as other:
        google.answers(HTML, CUT, redirect(f"{other.url}/v1beta/models/m:generateContent"), HANG)

        assert ask(google).headers["content-type"] == "text/html"
        with pytest.raises(httpx2.RemoteProtocolError):
            ask(google)
        assert ask(google).status_code == 307
        with pytest.raises(httpx2.ReadTimeout):
            ask(google, timeout=0.05)
        assert other.requests == []


def test_forty_at_once_are_answered_together(google):
    google.delay = 1

    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(lambda _: ask(google).status_code, range(40)))

    assert statuses == [200] * 40
    assert google.most_at_once > 5  # what Python's server lets wait by itself


def test_every_malicious_answer_is_served(google):
    google.answers(*malicious())

    assert all("evil" in text_of(ask(google)) or i == 5 for i, _ in enumerate(malicious()))
