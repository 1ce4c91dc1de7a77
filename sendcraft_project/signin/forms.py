"""The forms of the pages by which people get in."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import PasswordResetForm
from django.db import transaction
from django.utils.translation import get_language
from unfold.forms import AuthenticationForm

from sendcraft_project.tasks import mail_reset_link


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


class ResetForm(PasswordResetForm):
    """Leaves the mail to a worker, so that the answer takes as long for an unknown address."""

    def save(self, *args: Any, **kwargs: Any) -> None:
        for user in self.get_users(self.cleaned_data["email"]):
            send = partial(mail_reset_link.delay, user.pk, get_language() or "en")
            transaction.on_commit(send, robust=True)
