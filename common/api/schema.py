"""The OpenAPI document: one error form, with the status codes that an operation can answer."""

from __future__ import annotations

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema as BaseAutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers


class ErrorItemSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="A sentence for people.")
    attr = serializers.CharField(
        allow_null=True, help_text="The field, dotted: recipient_list.3.to_address."
    )


class ErrorSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(["validation_error", "client_error", "server_error"])
    errors = ErrorItemSerializer(many=True)  # type: ignore[assignment]


MEANINGS = {
    "400": "Not JSON, or a bad query parameter.",
    "401": "The key is missing, unknown, revoked or expired.",
    "403": "The key lacks the scope.",
    "404": "There is no such object in this tenant.",
    "405": "The path does not know this verb.",
    "409": "The state has moved on, or the first request with this Idempotency-Key still runs.",
    "413": "The request is larger than 40 MB.",
    "415": "The body is not application/json.",
    "422": "Understood but refused; every error names its field.",
    "429": "Over the rate limit; Retry-After says for how long.",
    "503": "The database or a provider does not answer; what was stored before stays.",
}
REQUEST_ID = OpenApiParameter(
    "X-Request-ID", str, OpenApiParameter.HEADER, description="Taken over into answer and logs."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 256},
    OpenApiParameter.HEADER,
    description="The same key and body within 24 hours gets the first answer again.",
)


class AutoSchema(BaseAutoSchema):
    """Adds our error answers to every operation."""

    def _get_response_bodies(
        self, direction: Literal["request", "response"] = "response"
    ) -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        if direction == "response":
            for status in self.error_statuses():
                if status not in bodies:
                    bodies[status] = self._get_response_for_code(  # type: ignore[no-untyped-call]
                        ErrorSerializer, status
                    )
                    bodies[status]["description"] = MEANINGS[status]
        return bodies

    def error_statuses(self) -> list[str]:
        public = not self.view.permission_classes
        skipped: set[str] = {"409"} if self.method == "GET" else set()
        if "{" not in self.path:
            skipped.add("404")
        if self.method in ("GET", "DELETE", "HEAD"):
            skipped |= {"413", "415", "422"}
        if public:
            skipped |= {"401", "403", "404", "409", "429"}
        return [status for status in MEANINGS if status not in skipped]

    def get_override_parameters(self) -> list[Any]:
        found: list[Any] = [*super().get_override_parameters(), REQUEST_ID]
        if getattr(self.view, "idempotent", False) and self.method == "POST":
            found.append(IDEMPOTENCY_KEY)
        return found
