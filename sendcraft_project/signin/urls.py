"""Signing in, and a person's own second factor, under ``/admin/``."""

from __future__ import annotations

from allauth.account import views as account
from django.urls import include, path
from django.views.generic import RedirectView

from sendcraft_project.signin.views import SignInView

urlpatterns = [
    path("login/", SignInView.as_view(), name="account_login"),
    path("second-factor/", include("allauth.mfa.urls")),
    # The library's names for what its pages link to.
    path("confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("sign-out/", account.logout, name="account_logout"),
    path(
        "inactive/",
        RedirectView.as_view(pattern_name="admin:login"),
        name="account_inactive",
    ),
]
