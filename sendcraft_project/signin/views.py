"""Signing in: name and password first, then the second factor of who has one."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from allauth.core import ratelimit
from django.contrib import admin
from django.contrib.auth.views import LoginView, PasswordResetView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from sendcraft_project.signin.forms import ResetForm, SignInForm


class SignInView(LoginView):
    """Django's own page, but that the stages of django-allauth follow the password."""

    template_name = "admin/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = False
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "GET" and admin.site.has_permission(request):
            return redirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        login = Login(user=user, redirect_url=self.get_success_url())
        named = {"username": user.get_username()}
        response: HttpResponse = perform_password_login(self.request, named, login)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = {
            **admin.site.each_context(self.request),
            "title": _("Log in"),
            "subtitle": None,
            "app_path": self.request.get_full_path(),
            "username": self.request.user.get_username(),
            self.redirect_field_name: self.get_redirect_url() or reverse("admin:index"),
        }
        return super().get_context_data(**context, **kwargs)


class ResetView(PasswordResetView):
    """Asks for an address and answers the same whether it is known, or asked for too often."""

    form_class = ResetForm

    def form_valid(self, form: Any) -> HttpResponse:
        address = form.cleaned_data["email"].lower()
        if ratelimit.consume(self.request, action="reset_password", key=address):
            return super().form_valid(form)
        return redirect(self.get_success_url())
