"""A server that speaks Google's REST protocol for Gemini: scripted, strict, on loopback."""

from __future__ import annotations

import re
from typing import Any

from .model_server import ModelServer, Reply, Request, json_reply

_PATH = re.compile(r"/(?:v1|v1beta)/models/([^/:]+):generateContent")
_KNOWN = frozenset(
    ["contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig"]
)


class FakeGoogle(ModelServer):
    """Answers ``models/NAME:generateContent`` of both API versions, in either spelling of names.

    With ``key`` any other is refused; ``models`` are those that exist (None: all).
    """

    models: frozenset[str] | None = None

    def refusal(self, request: Request) -> Reply | None:
        found = _PATH.fullmatch(request.path)
        if request.method != "POST" or not found:
            return Reply(404, b"<html>404: that's all we know.</html>", content_type="text/html")
        key = request.headers.get("x-goog-api-key")
        if not key:
            return error(403, "Method doesn't allow unregistered callers.", "PERMISSION_DENIED")
        if self.key not in (None, key):
            return BAD_KEY
        if self.models is not None and found[1] not in self.models:
            return unknown_model(found[1])
        if fault := _fault(request.body, found[1]):
            return error(400, fault, "INVALID_ARGUMENT")
        return None

    def wrapped(self, text: str, request: Request) -> Reply:
        return candidate(text, model=model_of(request))


def candidate(
    text: str | None,
    *,
    finish: str = "STOP",
    tokens: tuple[int, int, int] = (812, 120, 23),
    model: str = "gemini-3.5-flash-lite",
) -> Reply:
    """A whole answer; ``tokens`` are those of the prompt, the answer and the thoughts."""
    prompt, answered, thought = tokens
    content = {"content": {"parts": [{"text": text}], "role": "model"}} if text is not None else {}
    return json_reply(
        {
            "candidates": [{**content, "finishReason": finish, "index": 0}],
            "usageMetadata": _usage(prompt, answered, thought),
            "modelVersion": model,
            "responseId": "fake",
        }
    )


def blocked_prompt(reason: str = "SAFETY") -> Reply:
    """The prompt was refused: no candidate, a reason."""
    return json_reply(
        {
            "promptFeedback": {"blockReason": reason},
            "usageMetadata": _usage(812, 0, 0),
            "modelVersion": "gemini-3.5-flash-lite",
        }
    )


def function_call(name: str = "send_email", **arguments: Any) -> Reply:
    """The model asks for a tool that it was never given."""
    part = {"functionCall": {"name": name, "args": arguments}}
    return json_reply(
        {"candidates": [{"content": {"parts": [part], "role": "model"}, "finishReason": "STOP"}]}
    )


def error(code: int, message: str, status: str, *details: dict[str, Any], **headers: str) -> Reply:
    """One of Google's errors; ``headers`` are written with ``_`` for ``-``."""
    value = {"code": code, "message": message, "status": status, "details": list(details)}
    return json_reply({"error": value}, status=code, **headers)


def rate_limited(*, retry_info: str | None = None, retry_after: str | None = None) -> Reply:
    """429; ``retry_info`` is such as ``13s``, ``retry_after`` the header's text."""
    details = [{"@type": _RPC + "RetryInfo", "retryDelay": retry_info}] if retry_info else []
    headers = {"Retry_After": retry_after} if retry_after else {}
    return error(429, "Resource has been exhausted.", "RESOURCE_EXHAUSTED", *details, **headers)


def overloaded(code: int = 503) -> Reply:
    return error(code, "The model is overloaded. Please try again later.", "UNAVAILABLE")


def unknown_model(name: str) -> Reply:
    return error(404, f"models/{name} is not found for API version v1beta.", "NOT_FOUND")


_RPC = "type.googleapis.com/google.rpc."
BAD_KEY = error(
    400,
    "API key not valid. Please pass a valid API key.",
    "INVALID_ARGUMENT",
    {"@type": _RPC + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
)


def model_of(request: Request) -> str:
    found = _PATH.fullmatch(request.path)
    return found[1] if found else ""


def system_of(request: Request) -> str:
    """The system instruction's text."""
    return _text(spelt(request.body).get("systemInstruction", {}))


def content_of(request: Request) -> str:
    """The text of the user's turn: where the mail is."""
    return "".join(_text(turn) for turn in request.body["contents"])


def generation_of(request: Request) -> dict[str, Any]:
    """The generation's settings, their names in camel case; schemas are left as they came."""
    generation = spelt(spelt(request.body).get("generationConfig", {}))
    if "thinkingConfig" in generation:
        generation["thinkingConfig"] = spelt(generation["thinkingConfig"])
    return generation


def spelt(value: dict[str, Any]) -> dict[str, Any]:
    """The object with its own names, not those below it, in camel case."""
    return {re.sub(r"_([a-z])", lambda m: m[1].upper(), name): v for name, v in value.items()}


def _text(content: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in content.get("parts", []))


def _usage(prompt: int, answered: int, thought: int) -> dict[str, int]:
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answered,
        "thoughtsTokenCount": thought,
        "totalTokenCount": prompt + answered + thought,
    }


def _fault(body: Any, model: str) -> str | None:
    """What the live service finds wrong with a request, as far as triage could get it wrong."""
    if not isinstance(body, dict) or not body.get("contents"):
        return "* GenerateContentRequest.contents: contents is not specified"
    if unknown := spelt(body).keys() - _KNOWN:
        return f'Invalid JSON payload received. Unknown name "{min(unknown)}"'
    roles = [turn.get("role", "user") for turn in body["contents"]]
    if set(roles) - {"user", "model"}:
        return "Please use a valid role: user, model."
    generation = spelt(spelt(body).get("generationConfig", {}))
    return _fault_of_35_lite(roles, generation) if "3.5-flash-lite" in model else None


def _fault_of_35_lite(roles: list[str], generation: dict[str, Any]) -> str | None:
    if "thinkingBudget" in spelt(generation.get("thinkingConfig", {})):
        return "Thinking budget is not supported for this model."
    if generation.keys() & {"frequencyPenalty", "presencePenalty"}:
        return "Penalty is not enabled for this model."
    if roles[-1] == "model":
        return "The last turn must not be the model's."
    return None
