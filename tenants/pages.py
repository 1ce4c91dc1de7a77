"""The page to which an invitation leads."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views import View

from common.errors import Conflict
from tenants import invitations
from tenants.models import Invitation


class NewcomerForm(UserCreationForm):  # type: ignore[type-arg]  # not generic when it runs
    """A name and a password for who has none yet."""

    field_order = ["username", "password1", "password2"]
    usable_password = None


class JoinView(View):
    """Newcomers choose a name and a password; who has an account signs in and agrees.

    Whoever is signed in as somebody else is told so: the browser may be a colleague's.
    """

    http_method_names = ["get", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, token: str, **kwargs: Any) -> Any:
        invitation = invitations.invited(token, at=timezone.now())
        if invitation is None:
            return self.page(request, status=404)
        known = invitations.user_invited(invitation)
        if request.user.is_authenticated and request.user != known:
            return self.page(request, invitation=invitation, is_for_another=True)
        if known is not None and request.user != known:
            return redirect_to_login(request.get_full_path())
        answer = super().dispatch(request, invitation, known)
        # The link is nobody else's, yet without an origin its own form would be refused as foreign.
        answer["Referrer-Policy"] = "same-origin"
        answer["Cache-Control"] = "no-store"
        return answer

    def get(self, request: HttpRequest, invitation: Invitation, known: User | None) -> HttpResponse:
        form = None if known else NewcomerForm()
        return self.page(request, invitation=invitation, form=form)

    def post(
        self, request: HttpRequest, invitation: Invitation, known: User | None
    ) -> HttpResponse:
        form = None if known else NewcomerForm(request.POST)
        if form is not None and not form.is_valid():
            return self.page(request, invitation=invitation, form=form)
        try:
            with transaction.atomic():
                user = known or self.newcomer(invitation, form=form)
                invitations.join(invitation, user=user, at=timezone.now())
        except Conflict:
            return self.page(request, status=404)
        if known is None:
            login(request, user)
        return redirect("admin:index")

    @staticmethod
    def newcomer(invitation: Invitation, *, form: forms.ModelForm[User] | None) -> User:
        assert form is not None  # noqa: S101  for the type checker: nobody else comes here
        user = form.save(commit=False)
        user.email, user.is_staff = invitation.email, True
        user.save()
        return user

    @staticmethod
    def page(
        request: HttpRequest,
        *,
        invitation: Invitation | None = None,
        form: forms.Form | forms.ModelForm[User] | None = None,
        is_for_another: bool = False,
        status: int = 200,
    ) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "invitation": invitation,
            "form": form,
            "is_for_another": is_for_another,
        }
        return render(request, "admin/tenants/join.html", context, status=status)
