"""Google's Gemini over ``google-genai``; imported only where a mail is put to it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google import genai
from google.genai import errors, types

from ai_triage.errors import BadAnswer, NoVerdict, ProviderRefused
from ai_triage.prompt_text import PromptText, render
from ai_triage.providers.base import PATIENCE, Answer, Question
from ai_triage.providers.connections import connections
from ai_triage.providers.endpoint import Endpoint
from ai_triage.providers.retrying import Completion, ask, failure_of, stated_wait, version
from ai_triage.usage import Usage, tokens
from ai_triage.verdicts import answer_schema

API_VERSION = "v1beta"  # of 3.4's two, the one that has had every field used here the longest
LONGEST_CALL = 20.0


@dataclass(frozen=True)
class Manner:
    """What a model is told besides the question; None is not sent."""

    temperature: float | None = None
    thinking_budget: int | None = None


# By the beginning of the name. A thinking budget of 0 is right for some and an error for others:
# 3.5 Flash-Lite refuses it and ignores a temperature, and from 2026-12-01 it answers for 2.5 Flash.
MANNERS = {
    "gemini-2.5-flash-lite": Manner(temperature=0.0, thinking_budget=0),
    "gemini-3.5-flash-lite": Manner(),
    "gemini-3.5-flash": Manner(thinking_budget=0),
}
# Complaints are angry and spam is obscene; both are to be judged. A person sees every draft.
SAFETY = [
    types.SafetySetting(category=category, threshold=types.HarmBlockThreshold.BLOCK_NONE)
    for category in (
        types.HarmCategory.HARM_CATEGORY_HARASSMENT,
        types.HarmCategory.HARM_CATEGORY_HATE_SPEECH,
        types.HarmCategory.HARM_CATEGORY_SEXUALLY_EXPLICIT,
        types.HarmCategory.HARM_CATEGORY_DANGEROUS_CONTENT,
    )
]
CUT = frozenset(["MAX_TOKENS", "CONTINUATION"])
DECLINED = frozenset(
    ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "ESCALATION")
)
_NO_REPLY = (ValueError, TypeError, AttributeError, KeyError, RecursionError)
"""What the package raises over a 200 that isn't Google's reply: no JSON, or JSON of other form."""
_BAD_KEY = re.compile(r"API key (?:not valid|not found|expired)", re.IGNORECASE)
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)


class GeminiProvider:
    """Asks a model of Google's; as a ``Provider`` it is safe for any thread and event loop."""

    name = "gemini"

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def answer(self, question: Question, *, within: float = PATIENCE) -> Answer:
        """Return the model's verdict on the question's mail."""
        if not self._endpoint.key:
            raise ProviderRefused("GEMINI_API_KEY is not set.")
        call = functools.partial(self._call, render(question))
        return await ask(call, provider=self.name, within=within, longest=LONGEST_CALL)

    async def _call(self, prompt: PromptText, *, most_tokens: int, seconds: float) -> Completion:
        client = _client(self._endpoint.key, self._endpoint.base_url)
        config = _config(self._endpoint.model, prompt, most_tokens=most_tokens, seconds=seconds)
        failure: NoVerdict
        try:
            response = await client.aio.models.generate_content(
                model=self._endpoint.model, contents=prompt.content, config=config
            )
        except errors.APIError as error:
            failure = _failure(error)
        except _NO_REPLY:
            failure = BadAnswer("The provider's answer is not JSON.", reason="not_json")
        else:
            return _completion(response, model=self._endpoint.model)
        raise failure  # outside of the except: the first one's request holds the key


@functools.cache
def _client(key: str, base_url: str) -> genai.Client:
    """Return the process's client, made at its first use: that takes 0.1 s."""
    return genai.Client(
        vertexai=False,
        api_key=key,
        http_options=types.HttpOptions(
            base_url=base_url, api_version=API_VERSION, httpx_async_client=connections()
        ),
    )


def _config(
    model: str, prompt: PromptText, *, most_tokens: int, seconds: float
) -> types.GenerateContentConfig:
    manner = next((MANNERS[name] for name in MANNERS if model.startswith(name)), Manner())
    budget = manner.thinking_budget
    return types.GenerateContentConfig(
        system_instruction=prompt.system,
        response_mime_type="application/json",
        response_json_schema=answer_schema(),
        max_output_tokens=most_tokens,
        temperature=manner.temperature,
        thinking_config=None if budget is None else types.ThinkingConfig(thinking_budget=budget),
        safety_settings=SAFETY,
        automatic_continuation=False,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        http_options=types.HttpOptions(timeout=max(int(seconds * 1000), 1)),
    )


def _completion(response: types.GenerateContentResponse, *, model: str) -> Completion:
    feedback = response.prompt_feedback
    candidate = response.candidates[0] if response.candidates else types.Candidate()
    finish = candidate.finish_reason.value if candidate.finish_reason else None
    blocked = feedback.block_reason.value if feedback and feedback.block_reason else None
    if blocked is None and finish in DECLINED:
        blocked = finish
    stopped = finish in (None, "STOP")
    return Completion(
        text=_text(candidate) if stopped else "",
        model_version=version(response.model_version, model),
        usage=_usage(response.usage_metadata),
        blocked=blocked,
        is_cut=finish in CUT,
    )


def _text(candidate: types.Candidate) -> str:
    parts = (candidate.content and candidate.content.parts) or []
    return "".join(part.text for part in parts if part.text and not part.thought)


def _usage(told: types.GenerateContentResponseUsageMetadata | None) -> Usage:
    if told is None:
        return Usage()
    return Usage(
        tokens(told.prompt_token_count) + tokens(told.tool_use_prompt_token_count),
        tokens(told.candidates_token_count) + tokens(told.thoughts_token_count),
    )


def _failure(error: errors.APIError) -> NoVerdict:
    details = list(_details(error.details))
    if error.code == 400 and _is_about_the_account(error, details):
        return ProviderRefused("The provider refused: the key or its account is not valid.")
    waits = [stated_wait(error.response.headers.get("retry-after")), _retry_info(details)]
    longest = max((wait for wait in waits if wait is not None), default=None)
    return failure_of(error.code, said=error.status, retry_after=longest)


def _is_about_the_account(error: errors.APIError, details: list[dict[str, Any]]) -> bool:
    """Whether a 400 is not this mail's fault: a bad or expired key, a country, the billing."""
    reasons = [str(detail.get("reason", "")) for detail in details]
    is_named = any(reason.startswith("API_KEY_") for reason in reasons)
    # Proxies and older answers have the message alone.
    return is_named or error.status == "FAILED_PRECONDITION" or bool(_BAD_KEY.match(_said(error)))


def _said(error: errors.APIError) -> str:
    return error.message if isinstance(error.message, str) else ""


def _retry_info(details: list[dict[str, Any]]) -> float | None:
    for detail in details:
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (found := _DURATION.fullmatch(delay)):
            return stated_wait(found[1])
    return None


def _details(body: object) -> Iterator[dict[str, Any]]:
    """Yield the objects of Google's ``error.details``, whatever else the body may be."""
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            yield detail
