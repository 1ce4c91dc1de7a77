"""Serializers that refuse what they don't know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail


class StrictMixin:
    """Refuses unknown and read-only fields of the request, each by name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            fields: dict[str, serializers.Field[Any, Any, Any, Any]] = self.fields  # type: ignore[attr-defined]
            refused = {
                str(name): [self._refusal(known=name in fields)]
                for name in data
                if name not in fields or fields[name].read_only
            }
            if refused:
                raise serializers.ValidationError(refused)
        return super().to_internal_value(data)  # type: ignore[misc]

    @staticmethod
    def _refusal(*, known: bool) -> ErrorDetail:
        if known:
            return ErrorDetail("This field is read-only.", code="read_only")
        return ErrorDetail("There is no such field.", code="unknown_field")


class StrictSerializer(StrictMixin, serializers.Serializer[Any]):
    """A write serializer: it only validates."""


class StrictModelSerializer(StrictMixin, serializers.ModelSerializer[Any]):
    """A model's serializer; bytes that no column takes are refused by its fields."""


class NothingSerializer(StrictSerializer):
    """An empty body; a field in it is refused."""
