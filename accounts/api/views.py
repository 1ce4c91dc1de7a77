"""``/accounts``: the SMTP and IMAP identities of a tenant."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.api import examples
from accounts.api.filters import AccountFilter
from accounts.api.serializers import AccountSerializer, AccountTestSerializer
from accounts.models import EmailAccount
from tenants.api.views import TenantViewSet


@extend_schema_view(
    list=extend_schema(summary="List accounts", examples=[examples.AN_ACCOUNT]),
    retrieve=extend_schema(summary="Read an account", examples=[examples.AN_ACCOUNT]),
)
class AccountViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet[EmailAccount]):
    """Set accounts up, try them out, switch them on and off."""

    write_scope = "accounts:write"
    serializer_class = AccountSerializer
    filterset_class = AccountFilter
    search_fields = ("email_address", "display_name", "smtp_server")
    ordering_fields = ("id", "email_address", "created_at")
    lookup_url_kwarg = "id"

    def get_queryset(self) -> QuerySet[EmailAccount]:
        if getattr(self, "swagger_fake_view", False):
            return EmailAccount.objects.none()
        return EmailAccount.objects.for_tenant(self.tenant).select_related("domain__tenant")

    @extend_schema(
        summary="Create an account",
        description="It is inactive until `activate` has passed its connection test. "
        "`use_ssl` alone means TLS from the start instead of STARTTLS.",
        responses={201: AccountSerializer},
        examples=[examples.A_NEW_ACCOUNT, examples.AN_ACCOUNT],
    )
    def create(self, request: Request) -> Response:
        account = services.create_account(tenant=self.tenant, fields=self.given())
        return self._answer(account, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Replace an account's settings",
        description="What is left out stays as it is, the passwords too. The address is fixed. "
        "Another host, port, user, password or kind of TLS deactivates the account.",
        examples=[examples.A_NEW_ACCOUNT, examples.AN_ACCOUNT],
    )
    def update(self, request: Request, id: int) -> Response:  # noqa: A002 the path's name
        account = self.get_object()
        return self._answer(services.update_account(account, changes=self.given()))

    @extend_schema(
        summary="Change some of an account's settings",
        description="The address is fixed. "
        "Another host, port, user, password or kind of TLS deactivates the account.",
        examples=[examples.A_NEW_PASSWORD, examples.AN_ACCOUNT],
    )
    def partial_update(self, request: Request, id: int) -> Response:  # noqa: A002
        account = self.get_object()
        changes = self.given(partial=True)
        return self._answer(services.update_account(account, changes=changes))

    @extend_schema(
        summary="Delete an account",
        description="409 `in_use` while messages refer to it: deactivate it then.",
        responses={204: None},
    )
    def destroy(self, request: Request, id: int) -> Response:  # noqa: A002
        services.delete_account(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Test an account's connection",
        description="Connects, encrypts, signs in and leaves; takes up to 20 seconds. A failed "
        "test is a 200 as well, with the stage that it failed in. A passed one ends a pause that "
        "the server's refusal began.",
        request=None,
        responses={200: AccountTestSerializer},
        examples=[examples.A_PASSED_TEST, examples.A_FAILED_TEST],
    )
    def test(self, request: Request, id: int) -> Response:  # noqa: A002
        result = services.test_and_resume(self._account_alone())
        return Response(AccountTestSerializer(result).data)

    @extend_schema(
        summary="Activate an account",
        description="Tests it first. A failed test is a 422 `test_failed`, whose `attr` is the "
        "stage: `resolve`, `connect`, `tls` or `auth`. It also ends a pause.",
        request=None,
        responses={200: AccountSerializer},
        examples=[examples.AN_ACTIVE_ACCOUNT],
    )
    def activate(self, request: Request, id: int) -> Response:  # noqa: A002
        return self._answer(services.activate(self._account_alone()))

    @extend_schema(
        summary="Deactivate an account",
        description="Nothing more is accepted for it.",
        request=None,
        responses={200: AccountSerializer},
        examples=[examples.AN_ACCOUNT],
    )
    def deactivate(self, request: Request, id: int) -> Response:  # noqa: A002
        return self._answer(services.deactivate(self._account_alone()))

    def _account_alone(self) -> EmailAccount:
        """Return the path's account for an action that takes no fields."""
        account = self.get_object()
        self.expect_no_fields()
        return account

    def _answer(self, account: EmailAccount, *, status: int = 200) -> Response:
        return Response(self.get_serializer(account).data, status=status)
