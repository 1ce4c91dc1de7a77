"""The form of the admin's sign-in page."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib.auth import get_user_model
from unfold.forms import AuthenticationForm


class SignInForm(AuthenticationForm):  # type: ignore[misc]  # unfold has no types
    """Checks name and password; too many failures of a name or an address are refused unasked."""

    def clean(self) -> dict[str, Any]:
        name, password = (self.cleaned_data.get(field) for field in ("username", "password"))
        if name is not None and password:
            found = get_adapter().authenticate(self.request, username=name, password=password)
            if found is None:
                raise self.get_invalid_login_error()
            self.user_cache = get_user_model().objects.get(pk=found.pk)
            self.user_cache.backend = found.backend
            self.confirm_login_allowed(self.user_cache)
        cleaned: dict[str, Any] = self.cleaned_data
        return cleaned
