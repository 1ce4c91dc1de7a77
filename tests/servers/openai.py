"""A server that speaks the chat completions protocol of OpenAI: scripted, on loopback."""

from __future__ import annotations

from typing import Any

from .model_server import ModelServer, Reply, Request, json_reply

PATH = "/v1/chat/completions"


class FakeOpenAI(ModelServer):
    """Answers ``chat/completions``; with ``key`` any other is refused.

    ``formats`` are the kinds of ``response_format`` that it knows; ``limit`` is the name that it
    has for the most tokens of an answer.
    """

    formats = frozenset(["json_schema", "json_object"])
    limit = "max_completion_tokens"

    @property
    def url(self) -> str:
        return super().url + "/v1"

    def refusal(self, request: Request) -> Reply | None:
        if (request.method, request.path) != ("POST", PATH):
            return error(404, "Unknown request URL.", code="unknown_url")
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            return BAD_KEY
        return self._fault(request.body)

    def wrapped(self, text: str, request: Request) -> Reply:
        return completion(text, model=request.body["model"])

    def _fault(self, body: dict[str, Any]) -> Reply | None:
        kind = body.get("response_format", {}).get("type")
        if kind is not None and kind not in self.formats:
            message = f"response_format type '{kind}' is not supported by this model."
            return error(400, message, param="response_format")
        wrong = ({"max_tokens", "max_completion_tokens"} - {self.limit}) & body.keys()
        if wrong:
            message = f"Unsupported parameter: '{min(wrong)}'. Use '{self.limit}' instead."
            return error(400, message, code="unsupported_parameter", param=min(wrong))
        return None


def completion(
    text: str | None,
    *,
    finish: str = "stop",
    refusal: str | None = None,
    tokens: tuple[int, int] = (790, 150),
    model: str = "gpt-5-mini",
) -> Reply:
    """A whole answer; ``tokens`` are those of the prompt and of the answer with its thoughts."""
    prompt, answered = tokens
    message = {"role": "assistant", "content": text, "refusal": refusal}
    return json_reply(
        {
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": answered,
                "total_tokens": prompt + answered,
            },
        }
    )


def error(
    status: int, message: str, *, code: str | None = None, param: str | None = None, **headers: str
) -> Reply:
    """One of OpenAI's errors; ``headers`` are written with ``_`` for ``-``."""
    value = {"message": message, "type": "error", "code": code, "param": param}
    return json_reply({"error": value}, status=status, **headers)


def rate_limited(*, retry_after: str | None = None) -> Reply:
    headers = {"Retry_After": retry_after} if retry_after else {}
    return error(429, "Rate limit reached.", code="rate_limit_exceeded", **headers)


def overloaded(status: int = 503) -> Reply:
    return error(status, "The engine is currently overloaded, please try again later.")


BAD_KEY = error(401, "Incorrect API key provided: sk-no***key.", code="invalid_api_key")
QUOTA_SPENT = error(429, "You exceeded your current quota.", code="insufficient_quota")


def system_of(request: Request) -> str:
    return _content(request, "system")


def content_of(request: Request) -> str:
    """The user's text: where the mail is."""
    return _content(request, "user")


def _content(request: Request, role: str) -> str:
    return "".join(m["content"] for m in request.body["messages"] if m["role"] == role)
