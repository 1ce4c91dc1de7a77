"""Serializers that refuse what they don't know."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

S = TypeVar("S", bound=serializers.Serializer[Any])


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

    @classmethod
    def validated(cls, data: Any) -> Any:
        """Return the fields of ``data``, as ``is_valid(raise_exception=True)`` leaves them.

        Raises:
            ValidationError: by field.
        """
        return shared(cls).run_validation(data)


@lru_cache(maxsize=64)
def shared(serializer_class: type[S]) -> S:
    """Return the process's one instance for what keeps nothing of a request in the serializer.

    To copy all fields for a request takes longer than to use them.
    """
    return serializer_class()


class StrictModelSerializer(StrictMixin, serializers.ModelSerializer[Any]):
    """A model's serializer; bytes that no column takes are refused by its fields."""


class NothingSerializer(StrictSerializer):
    """An empty body; a field in it is refused."""
