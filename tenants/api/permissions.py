"""What the key may do, by the scopes that the view names."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from tenants.models import APIKey


class HasScope(BasePermission):
    """Needs ``view.write_scope``; for reading any of ``view.read_scopes`` will do as well."""

    message = "The API key lacks the scope for this."

    def has_permission(self, request: Request, view: Any) -> bool:
        key = request.auth
        if not isinstance(key, APIKey):
            raise NotAuthenticated("Send an API key in X-API-Key or Authorization: Bearer.")
        wanted: tuple[str, ...] = (view.write_scope,)
        if request.method in SAFE_METHODS:
            wanted += tuple(getattr(view, "read_scopes", ()))
        return any(key.allows(scope) for scope in wanted)
