"""``/domains``: what mail is sent from, with its records in the DNS."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from domains import services
from domains.api import examples
from domains.api.filters import DomainFilter
from domains.api.serializers import DomainSerializer
from domains.models import DKIMKey, Domain
from tenants.api.views import TenantViewSet


@extend_schema_view(
    list=extend_schema(summary="List domains", examples=[examples.A_CHECKED_DOMAIN]),
    retrieve=extend_schema(summary="Read a domain", examples=[examples.A_CHECKED_DOMAIN]),
)
class DomainViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet[Domain]):
    """Set domains up and check their records."""

    write_scope = "domains:write"
    serializer_class = DomainSerializer
    filterset_class = DomainFilter
    search_fields = ("name", "description")
    ordering_fields = ("name", "created_at")
    lookup_url_kwarg = "id"

    def get_queryset(self) -> QuerySet[Domain]:
        if getattr(self, "swagger_fake_view", False):
            return Domain.objects.none()
        keys = DKIMKey.objects.defer("private_key_encrypted")
        own = Domain.objects.for_tenant(self.tenant)
        return own.prefetch_related(Prefetch("dkim_keys", keys))

    @extend_schema(
        summary="Create a domain",
        description="It gets its DKIM keys; publish `dkim_record`, then `verify`. "
        "A name stands once in the whole installation.",
        responses={201: DomainSerializer},
        examples=[examples.A_NEW_DOMAIN, examples.A_DOMAIN],
    )
    def create(self, request: Request) -> Response:
        domain = services.create_domain(tenant=self.tenant, **self.given())
        return self._answer(domain, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Replace a domain's settings",
        description="What is left out stays as it is. The name is fixed.",
        examples=[examples.A_REPLACEMENT, examples.A_DOMAIN],
    )
    def update(self, request: Request, id: int) -> Response:  # noqa: A002 the path's name
        domain = self.get_object()
        return self._answer(services.update_domain(domain, changes=self.given()))

    @extend_schema(
        summary="Change some of a domain's settings",
        description="The name is fixed.",
        examples=[examples.A_CHANGE, examples.A_DOMAIN],
    )
    def partial_update(self, request: Request, id: int) -> Response:  # noqa: A002
        domain = self.get_object()
        changes = self.given(partial=True)
        return self._answer(services.update_domain(domain, changes=changes))

    @extend_schema(
        summary="Delete a domain",
        description="Its accounts go with it. 409 `in_use` while messages refer to one of them: "
        "deactivate the domain then.",
        responses={204: None},
    )
    def destroy(self, request: Request, id: int) -> Response:  # noqa: A002
        services.delete_domain(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Check a domain's DNS records",
        description="Asks for SPF, DKIM, DMARC and MX; takes up to 10 seconds. Mail is signed "
        "with DKIM once its record was seen here.",
        request=None,
        responses={200: DomainSerializer},
        examples=[examples.A_CHECKED_DOMAIN],
    )
    def verify(self, request: Request, id: int) -> Response:  # noqa: A002
        domain = self.get_object()
        self.expect_no_fields()
        return self._answer(services.verify_domain(domain))

    def _answer(self, domain: Domain, *, status: int = 200) -> Response:
        return Response(self.get_serializer(domain).data, status=status)
