"""Mail that people need to get in."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.urls import reverse
from django.utils import translation
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _


def mail_reset_link(user_id: int, *, language: str) -> None:
    """Send the person a link to set a new password; it dies with the password that they have."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not user.email:
        return
    path = reverse(
        "password_reset_confirm",
        kwargs={
            "uidb64": urlsafe_base64_encode(force_bytes(user.pk)),
            "token": default_token_generator.make_token(user),
        },
    )
    with translation.override(language):
        text = _(
            "Somebody asked for a new password for %(name)s at SendCraft. If it was you, set one "
            "here:\n\n%(link)s\n\nIf it was not you, do nothing: your password stays."
        )
        values = {"name": user.get_username(), "link": f"{settings.PUBLIC_URL}{path}"}
        send_mail(_("A new password for SendCraft"), text % values, None, [user.email])
