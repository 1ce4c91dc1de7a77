"""Any server that speaks OpenAI's chat completions; imported only where a mail is put to it."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import Any

import httpx2

from ai_triage.errors import BadAnswer, Blocked, NoVerdict, ProviderRefused
from ai_triage.prompt_text import PromptText, render
from ai_triage.providers.base import PATIENCE, Answer, Question
from ai_triage.providers.connections import connections
from ai_triage.providers.endpoint import Endpoint
from ai_triage.providers.retrying import Completion, ask, failure_of, stated_wait, version
from ai_triage.usage import Usage, tokens
from ai_triage.verdicts import answer_schema

LONGEST_CALL = 60.0
"""Longer than for Google: models on a machine of one's own are slow."""
SCHEMA_NOTE = "\n\nO objeto segue este JSON Schema:\n"
_LENGTHS = frozenset(["minLength", "maxLength"])  # not in the part of JSON Schema that strict takes
_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(?P<text>.*?)\n[ \t]*```\s*", re.DOTALL)
_ACCOUNT_CODES = frozenset(["invalid_api_key", "insufficient_quota", "billing_hard_limit_reached"])
_BAD_KEY = re.compile(r"(?:incorrect|invalid) api key|api key not valid", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How a server wants to be asked; what it can't do, it says with 400 or 422."""

    format: str = "json_schema"
    limit: str = "max_completion_tokens"

    def without(self, complaint: str) -> Dialect | None:
        """Return what to try after the ``complaint``, None where it is about something else."""
        if self.limit == "max_completion_tokens" and self.limit in complaint:
            return Dialect(self.format, "max_tokens")
        if any(name in complaint for name in ("response_format", "json_schema", "json_object")):
            simpler = {"json_schema": "json_object", "json_object": "text"}
            return Dialect(simpler[self.format], self.limit) if self.format in simpler else None
        return None


_dialects: dict[tuple[str, str], Dialect] = {}
"""What was learned of a base URL's model, for as long as the process lives."""


class OpenAIProvider:
    """Asks a model; as a ``Provider`` it is safe for any thread and event loop."""

    name = "openai"

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def answer(self, question: Question, *, within: float = PATIENCE) -> Answer:
        """Return the model's verdict on the question's mail."""
        call = functools.partial(self._call, render(question))
        return await ask(call, provider=self.name, within=within, longest=LONGEST_CALL)

    async def _call(self, prompt: PromptText, *, most_tokens: int, seconds: float) -> Completion:
        model = self._endpoint.model
        server = (self._endpoint.base_url, model)
        dialect: Dialect | None = _dialects.get(server, Dialect())
        while dialect:
            body = _body(model, prompt, dialect=dialect, most_tokens=most_tokens)
            response = await self._post(body, seconds=seconds)
            if response.status_code == 200:
                _dialects[server] = dialect
                return _completion(_json(response), model=model, dialect=dialect)
            is_understood = response.status_code not in (400, 422)
            dialect = None if is_understood else dialect.without(response.text)
        raise _failure(response)

    async def _post(self, body: dict[str, Any], *, seconds: float) -> httpx2.Response:
        key = self._endpoint.key
        return await connections().post(
            f"{self._endpoint.base_url.rstrip('/')}/chat/completions",
            json=body,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=seconds,
        )


def _body(model: str, prompt: PromptText, *, dialect: Dialect, most_tokens: int) -> dict[str, Any]:
    system, formats = prompt.system, {}
    if dialect.format == "json_schema":
        named = {"name": "verdict", "strict": True, "schema": _without_lengths(answer_schema())}
        formats = {"response_format": {"type": "json_schema", "json_schema": named}}
    else:
        system += SCHEMA_NOTE + json.dumps(answer_schema())
    if dialect.format == "json_object":
        formats = {"response_format": {"type": "json_object"}}
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": prompt.content},
    ]
    return {"model": model, "messages": messages, dialect.limit: most_tokens, **formats}


def _without_lengths(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    return {key: _without_lengths(part) for key, part in schema.items() if key not in _LENGTHS}


def _json(response: httpx2.Response) -> object:
    try:
        parsed: object = response.json()
    except (ValueError, RecursionError):
        raise BadAnswer("The provider's answer is not JSON.", reason="not_json") from None
    return parsed


def _completion(reply: object, *, model: str, dialect: Dialect) -> Completion:
    body = _mapping(reply)
    choices = body.get("choices")
    choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
    message, finish = _mapping(choice.get("message")), choice.get("finish_reason")
    text = message.get("content")
    declined = "refusal" if message.get("refusal") else None
    return Completion(
        text=_text(text, dialect) if isinstance(text, str) and finish in (None, "stop") else "",
        model_version=version(body.get("model"), model),
        usage=_usage(body.get("usage")),
        blocked="content_filter" if finish == "content_filter" else declined,
        is_cut=finish == "length",
    )


def _text(text: str, dialect: Dialect) -> str:
    """Return the answer's text; where nothing asks for JSON alone, models put it in a fence."""
    fenced = _FENCED.fullmatch(text) if dialect.format == "text" else None
    return fenced["text"] if fenced else text


def _usage(told: object) -> Usage:
    counts = _mapping(told)
    return Usage(tokens(counts.get("prompt_tokens")), tokens(counts.get("completion_tokens")))


def _failure(response: httpx2.Response) -> NoVerdict:
    try:
        error = _mapping(_mapping(_json(response)).get("error"))
    except BadAnswer:
        error = {}
    code, message = error.get("code"), str(error.get("message", ""))
    if code in _ACCOUNT_CODES or (response.status_code == 400 and _BAD_KEY.match(message)):
        return ProviderRefused("The provider refused: the key or its account is not valid.")
    if code == "content_filter":
        return Blocked("The provider declined to judge this mail.", reason="content_filter")
    wait = stated_wait(response.headers.get("retry-after"))
    return failure_of(response.status_code, said=code, retry_after=wait)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
