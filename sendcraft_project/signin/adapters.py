"""What django-allauth asks of this product: where clients are, and how secrets are kept."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest

from common import keyring
from common.api.client_address import client_address

SECOND_FACTOR = "second factor"
"""What binds the ciphertexts: the library encrypts before there is a row."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # the library has no types
    """Nobody signs up, and attempts are counted by the address that trusted proxies tell."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # the library has no types
    """Keeps what authenticators share with us under the installation's keys."""

    def encrypt(self, text: str) -> str:
        return keyring.encrypt(text, identity=SECOND_FACTOR)

    def decrypt(self, encrypted_text: str) -> str:
        return keyring.decrypt(encrypted_text, identity=SECOND_FACTOR)
