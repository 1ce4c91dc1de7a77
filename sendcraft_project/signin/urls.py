"""Signing in, and a person's own second factor, under ``/admin/``."""

from __future__ import annotations

from allauth.account import views as account
from django.contrib.auth import views as auth
from django.urls import include, path
from django.views.generic import RedirectView

from sendcraft_project.signin.views import ResetView, SignInView

urlpatterns = [
    path("login/", SignInView.as_view(), name="account_login"),
    path("second-factor/", include("allauth.mfa.urls")),
    path("password-reset/", ResetView.as_view(), name="admin_password_reset"),
    path("password-reset/sent/", auth.PasswordResetDoneView.as_view(), name="password_reset_done"),
    path(
        "password-reset/<uidb64>/<token>/",
        auth.PasswordResetConfirmView.as_view(),
        name="password_reset_confirm",
    ),
    path(
        "password-reset/done/",
        auth.PasswordResetCompleteView.as_view(),
        name="password_reset_complete",
    ),
    # The library's names for what its pages link to.
    path("confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("sign-out/", account.logout, name="account_logout"),
    path(
        "inactive/",
        RedirectView.as_view(pattern_name="admin:login"),
        name="account_inactive",
    ),
]
