"""Prompts and their versions as JSON, with examples for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from ai_triage import prompting
from ai_triage.prompting import Changes
from common.api.fields import Text
from common.api.serializers import StrictSerializer

TEXT_HELP = (
    "{company_name}, {sector}, {support_address} and {signature} are filled from the triage "
    "settings; anything else in braces stays as it is."
)


class CriteriaSerializer(StrictSerializer):
    """Rules for people and model, one a line."""

    respond_to = serializers.ListField(
        child=Text(allow_blank=True), required=False, help_text="At most 50."
    )
    ignore = serializers.ListField(
        child=Text(allow_blank=True), required=False, help_text="At most 50."
    )


class PromptSerializer(StrictSerializer):
    """Shows a prompt with ``in_use``, its latest version, and checks the types of what is given."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    name = serializers.SlugField(max_length=100, help_text="Letters, digits, - and _.")
    version = serializers.IntegerField(read_only=True)
    system_prompt = Text(source="in_use.system_prompt", help_text=TEXT_HELP)
    decision_criteria = CriteriaSerializer(source="in_use.criteria", required=False)
    active = serializers.BooleanField(source="is_active", read_only=True)
    created_by = serializers.CharField(
        read_only=True, help_text="The user's or the key's name; empty: the default prompt's."
    )
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)

    def changes(self) -> Changes:
        """Return what was given."""
        content: dict[str, Any] = self.validated_data.get("in_use", {})
        return Changes(
            name=self.validated_data.get("name"),
            system_prompt=content.get("system_prompt"),
            **content.get("criteria", {}),
        )


class ReplacedPromptSerializer(PromptSerializer):
    """The name may be left out, since the path holds it."""

    name = serializers.SlugField(max_length=100, required=False)


class PromptVersionSerializer(serializers.Serializer[Any]):
    """One state of a prompt."""

    version = serializers.IntegerField(source="number")
    system_prompt = serializers.CharField()
    decision_criteria = CriteriaSerializer(source="criteria")
    created_by = serializers.CharField(source="author", allow_blank=True)
    created_at = serializers.DateTimeField()


NEW = {
    "system_prompt": "You sort the mail of {company_name}. Sign as {signature}.",
    "decision_criteria": {
        "respond_to": ["Direct questions", "Complaints"],
        "ignore": ["Spam", "Newsletters"],
    },
}
STORED = {
    "id": "0191f0a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b",
    "name": "short_answers",
    "version": 1,
    **NEW,
    "active": False,
    "created_by": "ana",
    "created_at": "2026-01-15T10:30:00Z",
    "updated_at": "2026-01-15T10:30:00Z",
}
CURRENT = {**STORED, "name": prompting.DEFAULT, "version": 3, "active": True}
VERSION = {"version": 1, **NEW, "created_by": "ana", "created_at": "2026-01-15T10:30:00Z"}

A_NEW_PROMPT = OpenApiExample("A new prompt", {"name": "short_answers", **NEW}, request_only=True)
A_NEW_TEXT = OpenApiExample("A new text", NEW, request_only=True)
OTHER_CRITERIA = OpenApiExample(
    "Other criteria",
    {"decision_criteria": {"ignore": ["Spam", "Newsletters", "Job applications"]}},
    request_only=True,
)
A_PROMPT = OpenApiExample("A prompt", STORED, response_only=True)
A_CREATED_PROMPT = OpenApiExample("A prompt", STORED, response_only=True, status_codes=["201"])
THE_ACTIVE_PROMPT = OpenApiExample("The active prompt", CURRENT, response_only=True)
A_VERSION = OpenApiExample("A version", VERSION, response_only=True)
